#include "ingest/core/stream_budget.h"

#include <algorithm>

namespace runner::ingest {

bool StreamBudget::Open(StreamId stream) {
  return held_.size() < limits_.streams && held_.emplace(stream, 0).second;
}

void StreamBudget::Close(StreamId stream) {
  const auto found = held_.find(stream);
  if (found == held_.end()) return;
  total_ -= found->second;
  held_.erase(found);
}

bool StreamBudget::Take(StreamId stream, std::size_t bytes) {
  const auto found = held_.find(stream);
  if (found == held_.end()) return false;
  if (total_ + bytes > limits_.bytes && found->second + bytes > limits_.share) return false;
  found->second += bytes;
  total_ += bytes;
  return true;
}

void StreamBudget::Give(StreamId stream, std::size_t bytes) {
  const auto found = held_.find(stream);
  if (found == held_.end()) return;
  const std::size_t given = std::min(bytes, found->second);
  found->second -= given;
  total_ -= given;
}

}  // namespace runner::ingest
