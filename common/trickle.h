#pragma once

#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/mutex.h"

namespace runner {

// Lets through a few log lines a minute and counts the others, where a stranger decides how often
// one would be written. Thread-safe.
class Trickle {
 public:
  static constexpr int kMost = 10;  // in a minute

  // How many were held back since the last one that was let through; nothing: this one is, too.
  std::optional<int> Pass(MonoTime now) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!began_ || now - *began_ >= std::chrono::minutes(1)) {
      began_ = now;
      passed_ = 0;
    }
    if (passed_ == kMost) {
      ++held_;
      return std::nullopt;
    }
    ++passed_;
    return std::exchange(held_, 0);
  }

 private:
  Mutex mutex_;
  std::optional<MonoTime> began_ GUARDED_BY(mutex_);
  int passed_ GUARDED_BY(mutex_) = 0;
  int held_ GUARDED_BY(mutex_) = 0;
};

}  // namespace runner
