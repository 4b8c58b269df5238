#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner::faultsim {

// Bytes leave in pieces of at most so many, with a pause after each. No bytes: as fast as they can.
struct Pace {
  std::size_t bytes = 0;
  Duration pause{};
};

// The bytes that wait to be sent on one connection. Not thread-safe.
class SendQueue {
 public:
  void Append(std::string_view bytes) { bytes_.append(bytes); }
  std::size_t Unsent() const { return bytes_.size() - sent_; }

  void SetPace(Pace pace) { pace_ = pace; }
  const Pace& pace() const { return pace_; }
  // A piece was sent: nothing leaves until Rested, which is to be called after the pause.
  bool Resting() const { return resting_; }
  void Rested() { resting_ = false; }

  // Sends what the socket takes and the pace allows. False when the connection is broken.
  bool Flush(int fd);

 private:
  void Drop();

  std::string bytes_;
  std::size_t sent_ = 0;
  Pace pace_;
  bool resting_ = false;
};

}  // namespace runner::faultsim
