#pragma once

#include <cstddef>
#include <optional>
#include <set>

#include "common/base/clock.h"

namespace runner::ingest {

// How many runs began within the hour before now, at most `limit` (0: any number). Pure; not
// thread-safe.
class HourlyRunLimit {
 public:
  static constexpr Duration kPeriod = std::chrono::hours(1);

  explicit HourlyRunLimit(std::size_t limit) : limit_(limit) {}

  // Drops what began too long ago to count.
  void Forget(MonoTime now) { began_.erase(began_.begin(), began_.upper_bound(now - kPeriod)); }
  void Begin(MonoTime at) {
    if (limit_ != 0) began_.insert(at);
  }
  // What was to begin then has not begun after all.
  void Withdraw(MonoTime at) {
    if (const auto found = began_.find(at); found != began_.end()) began_.erase(found);
  }
  // When the next run is admitted; nothing when one is admitted already. A moment that has passed
  // stays until Forget is called.
  std::optional<MonoTime> NextDeadline() const {
    if (limit_ == 0 || began_.size() < limit_) return std::nullopt;
    return *began_.begin() + kPeriod;
  }

 private:
  const std::size_t limit_;
  std::multiset<MonoTime> began_;
};

}  // namespace runner::ingest
