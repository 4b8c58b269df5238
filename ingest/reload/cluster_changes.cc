#include "ingest/reload/cluster_changes.h"

#include <string_view>
#include <unordered_map>

namespace runner::ingest {

ClusterChanges Compare(const std::vector<ClusterConfig>& before,
                       const std::vector<ClusterConfig>& after) {
  ClusterChanges changes;
  std::unordered_map<std::string_view, const ClusterConfig*> left;
  for (const ClusterConfig& cluster : before) left.emplace(cluster.name, &cluster);
  for (const ClusterConfig& cluster : after) {
    const auto known = left.extract(cluster.name);
    if (known.empty()) {
      changes.added.push_back(cluster.name);
      continue;
    }
    const ClusterConfig& was = *known.mapped();
    const bool reached_otherwise = was.endpoint != cluster.endpoint || was.access != cluster.access;
    if (reached_otherwise) changes.reached_otherwise.push_back(cluster.name);
    if (reached_otherwise || was.filter != cluster.filter) changes.changed.push_back(cluster.name);
  }
  for (const ClusterConfig& cluster : before) {
    if (left.contains(cluster.name)) changes.removed.push_back(cluster.name);
  }
  return changes;
}

}  // namespace runner::ingest
