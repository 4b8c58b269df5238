// Which clusters there are, and what is shown of them.

#include <algorithm>

#include "ingest/core/scheduler.h"

namespace runner::ingest {

void Scheduler::AddCluster(const ClusterOptions& cluster) {
  cluster_by_name_.emplace(cluster.name, clusters_.size());
  clusters_.push_back({cluster.name, EventFilter(cluster.filter)});
  waiting_.AddCluster();
}

bool Scheduler::SetClusters(const std::vector<ClusterOptions>& clusters) {
  const auto added = std::count_if(
      clusters.begin(), clusters.end(),
      [this](const ClusterOptions& cluster) { return !cluster_by_name_.contains(cluster.name); });
  if (clusters_.size() + static_cast<std::size_t>(added) > options_.max_clusters) return false;
  for (Cluster& cluster : clusters_) cluster.configured = false;
  for (const ClusterOptions& cluster : clusters) {
    const auto known = cluster_by_name_.find(cluster.name);
    if (known == cluster_by_name_.end()) {
      AddCluster(cluster);
      continue;
    }
    clusters_[known->second].configured = true;
    clusters_[known->second].filter = EventFilter(cluster.filter);
  }
  return true;
}

std::optional<ClusterIndex> Scheduler::ClusterOf(std::string_view name) const {
  const auto found = cluster_by_name_.find(std::string(name));
  if (found == cluster_by_name_.end() || !clusters_[found->second].configured) return std::nullopt;
  return found->second;
}

Scheduler::ClusterView Scheduler::View(ClusterIndex index) const {
  const Cluster& cluster = clusters_.at(index);
  const ClusterQueue& queue = waiting_.Of(index);
  std::optional<WallTime> oldest;
  if (const ClusterQueue::Entry* entry = queue.Oldest()) {
    oldest = incidents_.Find(entry->incident_id)->incident.event.received_at;
  }
  return {cluster.name, cluster.counters, queue.size(), cluster.leased, oldest, cluster.configured};
}

}  // namespace runner::ingest
