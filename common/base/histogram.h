#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace runner {

// Counts observations in buckets, as a Prometheus histogram does. A plain value: a copy is a
// snapshot. Not thread-safe.
class Histogram {
 public:
  // Inclusive upper bounds in increasing order. Observations above the last bound go to an extra
  // bucket (+Inf).
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void Observe(double value) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    ++counts_[static_cast<std::size_t>(bucket)];
    sum_ += value;
    ++count_;
  }

  // Adds the counts of a histogram with the same bounds.
  void Add(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_.at(i);
    sum_ += other.sum_;
    count_ += other.count_;
  }

  const std::vector<double>& Bounds() const { return bounds_; }
  // One count for each bound and one for +Inf; not cumulative.
  const std::vector<std::uint64_t>& Counts() const { return counts_; }
  double Sum() const { return sum_; }
  std::uint64_t Count() const { return count_; }

 private:
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace runner
