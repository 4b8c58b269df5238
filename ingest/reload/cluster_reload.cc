#include "ingest/reload/cluster_reload.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "ingest/reload/cluster_changes.h"

namespace runner::ingest {
namespace {

// No more than a log line can hold.
std::vector<std::string> Shown(std::vector<std::string> texts) {
  constexpr std::size_t kMax = 100;
  if (texts.size() <= kMax) return texts;
  const std::size_t more = texts.size() - kMax;
  texts.resize(kMax);
  texts.push_back("and " + std::to_string(more) + " more");
  return texts;
}

}  // namespace

ClusterReload::ClusterReload(const IngestConfig& config, IngestLoop& loop,
                             ConnectionThread& connections, Logger logger, Applied applied)
    : config_(config),
      loop_(loop),
      connections_(connections),
      logger_(std::move(logger)),
      applied_(std::move(applied)),
      clusters_(config.clusters) {}

void ClusterReload::Apply(ReloadedConfig again) {
  if (loop_.draining()) return;
  if (again.problems.empty()) {
    std::vector<ClusterOptions> wanted;
    wanted.reserve(again.clusters.size());
    for (const ClusterConfig& one : again.clusters) wanted.push_back({one.name, one.filter});
    if (!loop_.SetClusters(wanted)) {
      again.problems = {
          "clusters: too many names since the start, with those that were removed: "
          "restart runner-ingest"};
    }
  }
  if (!again.problems.empty()) {
    if (again.problems == last_reported_) return;
    last_reported_ = again.problems;
    logger_.Error("Configuration not reloaded", {{"problems", Shown(std::move(again.problems))}});
    return;
  }
  last_reported_.clear();
  if (!again.not_applied.empty()) {
    logger_.Warn("Options that changed are not applied before a restart",
                 {{"options", Shown(std::move(again.not_applied))}});
  }
  ClusterChanges changes = Compare(clusters_, again.clusters);
  clusters_ = std::move(again.clusters);
  std::set<std::string> to_open(changes.added.begin(), changes.added.end());
  to_open.insert(changes.reached_otherwise.begin(), changes.reached_otherwise.end());
  std::vector<ConnectionOptions> opened;
  for (const ClusterConfig& cluster : clusters_) {
    if (to_open.contains(cluster.name)) opened.push_back(config_.ConnectionTo(cluster));
  }
  connections_.Change(changes.removed, std::move(opened));
  applied_(clusters_);
  logger_.Info("Clusters reloaded", {{"added", Shown(std::move(changes.added))},
                                     {"removed", Shown(std::move(changes.removed))},
                                     {"changed", Shown(std::move(changes.changed))},
                                     {"clusters", clusters_.size()}});
}

}  // namespace runner::ingest
