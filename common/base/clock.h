#pragma once

#include <chrono>

namespace runner {

// Monotonic time is for decisions, wall time for display. The types differ, so one cannot be used
// for the other by mistake.
using MonoTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using Duration = std::chrono::nanoseconds;

// One reading of both clocks. The core reads no clock: every decision receives one of these as
// `now`.
struct Instant {
  MonoTime mono;
  WallTime wall;
};

// The source of time outside the core. Thread-safe. Tests replace it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME of this machine.
class SystemClock final : public Clock {
 public:
  Instant Now() const override {
    return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
  }
};

inline double ToSeconds(Duration d) { return std::chrono::duration<double>(d).count(); }
inline double ToUnixSeconds(WallTime t) {
  return std::chrono::duration<double>(t.time_since_epoch()).count();
}
inline Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace runner
