#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ingest/core/cluster_queue.h"

namespace runner::ingest {

// Index of a cluster, in the order of first configuration.
using ClusterIndex = std::size_t;

// The queues of all clusters, with indexes over them: total length, longest queue, longest waiting
// entry. So neither a sweep nor an overflow visits every cluster.
//
// Each operation adds O(log clusters) to that of the queue; a sweep costs in proportion to what
// expires. Pure; not thread-safe.
class IncidentQueues {
 public:
  explicit IncidentQueues(std::size_t clusters = 0) : queues_(clusters) {}

  // The new cluster takes the next index.
  void AddCluster() { queues_.emplace_back(); }
  const ClusterQueue& Of(ClusterIndex cluster) const { return queues_.at(cluster); }
  std::size_t size() const { return size_; }
  // The cluster with the longest queue; `preferred` wins a tie.
  ClusterIndex Longest(ClusterIndex preferred) const;

  ClusterQueue::Place PushBack(ClusterIndex cluster, Priority priority, ClusterQueue::Entry entry);
  ClusterQueue::Place PushFront(ClusterIndex cluster, Priority priority, ClusterQueue::Entry entry);
  std::optional<ClusterQueue::Entry> PopFront(ClusterIndex cluster);
  std::optional<ClusterQueue::Entry> PopVictim(ClusterIndex cluster, Priority newcomer);
  ClusterQueue::Entry Take(ClusterIndex cluster, ClusterQueue::Place place);
  ClusterQueue::Place Raise(ClusterIndex cluster, ClusterQueue::Place place);
  // Removes the longest waiting entry of all clusters, if it has waited since `limit` or longer.
  std::optional<ClusterQueue::Entry> PopWaitingSince(MonoTime limit);

 private:
  template <typename Change>
  auto Apply(ClusterIndex cluster, Change change);

  std::vector<ClusterQueue> queues_;
  std::size_t size_ = 0;
  // Clusters with a non-empty queue.
  std::set<std::pair<std::size_t, ClusterIndex>> by_length_;
  std::set<std::pair<MonoTime, ClusterIndex>> by_oldest_;
};

}  // namespace runner::ingest
