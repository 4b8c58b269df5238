#pragma once

#include <cstdint>

#include <time.h>

namespace runner::executor {

// The clocks of the shim, in nanoseconds: the monotonic clock is for decisions, the wall clock for
// display.

inline std::int64_t ReadClock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
inline std::int64_t MonotonicNs() { return ReadClock(CLOCK_MONOTONIC); }
inline std::int64_t WallNs() { return ReadClock(CLOCK_REALTIME); }

inline constexpr std::int64_t kMillisecondNs = 1'000'000;
inline constexpr std::int64_t kSecondNs = 1'000'000'000;

}  // namespace runner::executor
