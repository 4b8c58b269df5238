#include "ingest/core/incident_queues.h"

namespace runner::ingest {

// Changes one queue and updates the indexes.
template <typename Change>
auto IncidentQueues::Apply(ClusterIndex cluster, Change change) {
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

ClusterIndex IncidentQueues::Longest(ClusterIndex preferred) const {
  if (by_length_.empty()) return preferred;
  const auto& [length, cluster] = *by_length_.rbegin();
  return queues_.at(preferred).size() == length ? preferred : cluster;
}

ClusterQueue::Place IncidentQueues::PushBack(ClusterIndex cluster, Priority priority,
                                             ClusterQueue::Entry entry) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.PushBack(priority, std::move(entry)); });
}

ClusterQueue::Place IncidentQueues::PushFront(ClusterIndex cluster, Priority priority,
                                              ClusterQueue::Entry entry) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.PushFront(priority, std::move(entry)); });
}

std::optional<ClusterQueue::Entry> IncidentQueues::PopFront(ClusterIndex cluster) {
  return Apply(cluster, [](ClusterQueue& q) { return q.PopFront(); });
}

std::optional<ClusterQueue::Entry> IncidentQueues::PopVictim(ClusterIndex cluster,
                                                             Priority newcomer) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.PopVictim(newcomer); });
}

ClusterQueue::Entry IncidentQueues::Take(ClusterIndex cluster, ClusterQueue::Place place) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.Take(place); });
}

ClusterQueue::Place IncidentQueues::Raise(ClusterIndex cluster, ClusterQueue::Place place) {
  return Apply(cluster, [&](ClusterQueue& q) { return q.Raise(place); });
}

std::optional<ClusterQueue::Entry> IncidentQueues::PopWaitingSince(MonoTime limit) {
  if (by_oldest_.empty()) return std::nullopt;
  const ClusterIndex cluster = by_oldest_.begin()->second;
  return Apply(cluster, [&](ClusterQueue& q) { return q.PopWaitingSince(limit); });
}

}  // namespace runner::ingest
