#include "ingest/core/cluster_queue.h"

namespace runner::ingest {

void ClusterQueue::PushBack(Entry entry) { Insert(back_++, std::move(entry)); }

void ClusterQueue::PushFront(Entry entry) { Insert(front_--, std::move(entry)); }

std::optional<ClusterQueue::Entry> ClusterQueue::PopFront() {
  if (order_.empty()) return std::nullopt;
  return Take(order_.begin()->first);
}

std::optional<ClusterQueue::Entry> ClusterQueue::PopOldest() {
  if (by_age_.empty()) return std::nullopt;
  return Take(by_age_.begin()->second);
}

std::vector<ClusterQueue::Entry> ClusterQueue::TakeWaitingSince(MonoTime limit) {
  std::vector<Entry> taken;
  while (!by_age_.empty() && by_age_.begin()->first <= limit) {
    taken.push_back(Take(by_age_.begin()->second));
  }
  return taken;
}

const ClusterQueue::Entry* ClusterQueue::Oldest() const {
  if (by_age_.empty()) return nullptr;
  return &order_.at(by_age_.begin()->second);
}

void ClusterQueue::Insert(Position position, Entry entry) {
  by_age_.emplace(entry.waiting_since, position);
  order_.emplace(position, std::move(entry));
}

ClusterQueue::Entry ClusterQueue::Take(Position position) {
  const auto found = order_.find(position);
  Entry entry = std::move(found->second);
  order_.erase(found);
  by_age_.erase({entry.waiting_since, position});
  return entry;
}

}  // namespace runner::ingest
