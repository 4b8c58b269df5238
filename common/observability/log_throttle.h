#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace runner {

// Limits log lines that a peer can cause at any rate: passes one line for each cause in a minute,
// for kMax causes, and counts the others. Thread-safe.
class LogThrottle {
 public:
  static constexpr std::size_t kMax = 10;

  // If this line may be logged, returns the number of suppressed lines since the last one that was;
  // otherwise nothing.
  std::optional<int> Pass(MonoTime now, const std::string& cause) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!began_ || now - *began_ >= std::chrono::minutes(1)) {
      began_ = now;
      causes_.clear();
    }
    if (causes_.size() < kMax && causes_.insert(cause).second) return std::exchange(held_, 0);
    ++held_;
    return std::nullopt;
  }

 private:
  Mutex mutex_;
  std::optional<MonoTime> began_ GUARDED_BY(mutex_);
  std::set<std::string> causes_ GUARDED_BY(mutex_);  // of the current minute
  int held_ GUARDED_BY(mutex_) = 0;
};

}  // namespace runner
