#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner::faultsim {

// Bytes are sent in pieces of at most `bytes`, with a pause after each. 0 bytes: without a limit.
struct Pace {
  std::size_t bytes = 0;
  Duration pause{};
};

// The unsent bytes of one connection. Not thread-safe.
class SendQueue {
 public:
  void Append(std::string_view bytes) { bytes_.append(bytes); }
  std::size_t Unsent() const { return bytes_.size() - sent_; }

  void SetPace(Pace pace) { pace_ = pace; }
  const Pace& pace() const { return pace_; }
  // True after a piece was sent, until Rested is called. Call Rested after the pause.
  bool Resting() const { return resting_; }
  void Rested() { resting_ = false; }

  // Sends what the socket and the pace allow. Returns false if the connection is broken.
  bool Flush(int fd);

 private:
  void Drop();

  std::string bytes_;
  std::size_t sent_ = 0;
  Pace pace_;
  bool resting_ = false;
};

}  // namespace runner::faultsim
