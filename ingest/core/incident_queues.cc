#include "ingest/core/incident_queues.h"

namespace runner::ingest {

// Changes one queue and keeps the indexes true to it.
template <typename Change>
auto WaitingIncidents::Apply(ClusterIndex cluster, Change change) {
  ClusterQueue& queue = queues_.at(cluster);
  if (!queue.empty()) {
    by_length_.erase({queue.size(), cluster});
    by_oldest_.erase({queue.Oldest()->waiting_since, cluster});
  }
  size_ -= queue.size();
  auto result = change(queue);
  size_ += queue.size();
  if (!queue.empty()) {
    by_length_.emplace(queue.size(), cluster);
    by_oldest_.emplace(queue.Oldest()->waiting_since, cluster);
  }
  return result;
}

ClusterIndex WaitingIncidents::Longest(ClusterIndex preferred) const {
  if (by_length_.empty()) return preferred;
  const auto& [length, cluster] = *by_length_.rbegin();
  return queues_.at(preferred).size() == length ? preferred : cluster;
}

ClusterQueue::Place WaitingIncidents::PushBack(ClusterIndex cluster, Band band,
                                               ClusterQueue::Entry entry) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.PushBack(band, std::move(entry)); });
}

ClusterQueue::Place WaitingIncidents::PushFront(ClusterIndex cluster, Band band,
                                                ClusterQueue::Entry entry) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.PushFront(band, std::move(entry)); });
}

std::optional<ClusterQueue::Entry> WaitingIncidents::PopFront(ClusterIndex cluster) {
  return Apply(cluster, [](ClusterQueue& q) { return q.PopFront(); });
}

std::optional<ClusterQueue::Entry> WaitingIncidents::PopVictim(ClusterIndex cluster,
                                                               Band newcomer) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.PopVictim(newcomer); });
}

ClusterQueue::Entry WaitingIncidents::Take(ClusterIndex cluster, ClusterQueue::Place place) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.Take(place); });
}

ClusterQueue::Place WaitingIncidents::Raise(ClusterIndex cluster, ClusterQueue::Place place) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.Raise(place); });
}

std::optional<ClusterQueue::Entry> WaitingIncidents::PopWaitingSince(MonoTime limit) {
  if (by_oldest_.empty()) return std::nullopt;
  const ClusterIndex cluster = by_oldest_.begin()->second;
  return Apply(cluster, [&](ClusterQueue& q) { return q.PopWaitingSince(limit); });
}

}  // namespace runner::ingest
