#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "tools/faultsim/http_request.h"
#include "tools/faultsim/script.h"

namespace runner::faultsim {

// Converts the steps for one request into commands for its connection, one at a time. Floods are
// sent in blocks, so memory is bounded. No I/O; not thread-safe.
class ScriptPlayer {
 public:
  struct SendBytes {
    std::string bytes;  // may be empty
  };
  // There are no more steps. `keep`: a whole response was sent, so the connection can serve another
  // request.
  struct Finish {
    bool keep = false;
  };
  using Command = std::variant<SendBytes, Finish, step::Serve, step::SetPace, step::Wait,
                               step::Stall, step::Mute, step::HalfClose, step::Close, step::Reset>;

  ScriptPlayer(std::shared_ptr<const Steps> steps, HttpRequest request);

  // Must not be called after Finish, Stall, Close or Reset.
  Command Next();
  bool finished() const { return finished_; }

  const HttpRequest& request() const { return request_; }
  // The response of the server for a Serve command.
  void Served(const HttpResponse& response);
  // Frames bytes of the body for the wire.
  std::string Frame(std::string_view body) const;

 private:
  struct Frames {
    const Steps* steps;
    std::size_t at;
    std::uint64_t turns_left;
  };

  const Step* Advance();
  Command Play(const step::Send& send);
  Command Play(const step::Fill& fill);
  Command Play(const step::Flood& flood);
  Command Play(const step::Respond& respond);
  Command Play(const step::End& end);
  Command Play(const step::ChunkSize& chunk);
  Command Play(const step::Repeat& repeat);
  template <typename Other>
  Command Play(const Other& other) {
    constexpr bool kLast = std::is_same_v<Other, step::Stall> ||
                           std::is_same_v<Other, step::Close> || std::is_same_v<Other, step::Reset>;
    if (kLast) finished_ = true;
    return other;
  }
  std::string FillBlock();
  std::string FloodBlock();

  const std::shared_ptr<const Steps> steps_;
  const HttpRequest request_;
  std::vector<Frames> stack_;
  const step::Fill* fill_ = nullptr;
  const step::Flood* flood_ = nullptr;
  std::uint64_t done_ = 0;  // bytes or events of the current fill or flood
  std::size_t chunk_size_ = 0;
  bool chunked_ = false;
  bool whole_ = false;
  bool finished_ = false;
};

}  // namespace runner::faultsim
