#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace runner {

// Of log lines that a stranger can cause as often as he likes: lets through one for each cause in a
// minute, for kMax causes, and counts the others. Thread-safe.
class LogThrottle {
 public:
  static constexpr std::size_t kMax = 10;

  // How many were held back since the last one that was let through; nothing: this one is, too.
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
  std::set<std::string> causes_ GUARDED_BY(mutex_);  // of this minute
  int held_ GUARDED_BY(mutex_) = 0;
};

}  // namespace runner
