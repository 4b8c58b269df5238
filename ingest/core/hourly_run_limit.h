#pragma once

#include <cstddef>
#include <optional>
#include <set>

#include "common/base/clock.h"

namespace runner::ingest {

// Limits the runs that start within one hour to `limit` (0: unlimited). Pure; not thread-safe.
class HourlyRunLimit {
 public:
  static constexpr Duration kPeriod = std::chrono::hours(1);

  explicit HourlyRunLimit(std::size_t limit) : limit_(limit) {}

  // Removes starts that are older than kPeriod.
  void Forget(MonoTime now) { began_.erase(began_.begin(), began_.upper_bound(now - kPeriod)); }
  void Begin(MonoTime at) {
    if (limit_ != 0) began_.insert(at);
  }
  // Undoes Begin(at): the run did not start.
  void Withdraw(MonoTime at) {
    if (const auto found = began_.find(at); found != began_.end()) began_.erase(found);
  }
  // When the next run is admitted, or nothing if one is admitted now. A time in the past stays
  // until Forget is called.
  std::optional<MonoTime> NextDeadline() const {
    if (limit_ == 0 || began_.size() < limit_) return std::nullopt;
    return *began_.begin() + kPeriod;
  }

 private:
  const std::size_t limit_;
  std::multiset<MonoTime> began_;
};

}  // namespace runner::ingest
