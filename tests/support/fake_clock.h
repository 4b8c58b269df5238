#pragma once

#include <atomic>

#include "common/base/clock.h"

namespace runner {

// A clock that only the test advances. Thread-safe.
class FakeClock final : public Clock {
 public:
  Instant Now() const override {
    const Duration since_start(since_start_.load());
    return {MonoTime(since_start), WallTime(since_start)};
  }
  void Advance(Duration step) { since_start_ += step.count(); }

 private:
  std::atomic<Duration::rep> since_start_{Duration(std::chrono::hours(1)).count()};
};

}  // namespace runner
