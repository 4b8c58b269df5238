#pragma once

#include <optional>

#include "common/base/clock.h"

namespace runner {

// Exponential backoff: the delay starts at `initial` and doubles after each failure, up to `max`,
// with a jitter of +-25 % that never exceeds `max`. Pure: the caller supplies the random number,
// uniform in [0, 1). The delay cannot overflow.
class Backoff {
 public:
  // Both must be positive; an initial delay above max is reduced to max.
  Backoff(Duration initial, Duration max);

  // Returns the delay before the next attempt.
  Duration Next(double random01);
  // Call after a success: the next delay is the initial one.
  void Reset();
  // Replaces the next delay with one that a server requested (retry, Retry-After): exact, without
  // jitter, bounded by 0.1 s and max. The attempt counts as a failure.
  void OverrideNext(Duration delay);

 private:
  Duration initial_;
  Duration max_;
  Duration delay_;
  std::optional<Duration> override_;
};

// Backoff with full jitter: each delay is uniform between `initial` and a ceiling that starts at
// twice `initial` and doubles with each failure up to `max`. Spreads the reconnects of many clients
// that lost the same server.
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
