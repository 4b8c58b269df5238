#pragma once

#include <optional>

#include "common/base/clock.h"

namespace runner {

// The delays between attempts that fail: initial, then twice as long after each failure, spread by
// +-25 %, or as much of that as is not above max. Pure: the caller brings the randomness, uniform
// in [0, 1). Counts without overflow for ever.
class Backoff {
 public:
  // Both positive; an initial delay above max counts as max.
  Backoff(Duration initial, Duration max);

  // The delay before the next attempt.
  Duration Next(double random01);
  // After a success: the next delay is the initial one again.
  void Reset();
  // Replaces the next delay, as a server's retry or Retry-After asks: exact, without spread,
  // bounded by 0.1 s and max. It counts as a failure like any other.
  void OverrideNext(Duration delay);

 private:
  Duration initial_;
  Duration max_;
  Duration delay_;
  std::optional<Duration> override_;
};

// Full jitter: each delay is uniform between `initial` and a ceiling that starts at twice `initial`
// and doubles with each failure up to `max`. Spreads many clients that lost the same server.
class FullJitterBackoff {
 public:
  explicit FullJitterBackoff(Duration initial = std::chrono::milliseconds(100),
                             Duration max = std::chrono::seconds(10));

  Duration Next(double random01);
  void Reset();

 private:
  Duration initial_;
  Duration max_;
  Duration ceiling_;
};

}  // namespace runner
