#include "executor/runs/run_counters.h"

#include <vector>

namespace runner::executor {
namespace {

Histogram DurationHistogram() { return Histogram({1, 5, 10, 30, 60, 120, 300}); }

}  // namespace

ClusterRunCounters::ClusterRunCounters()
    : duration{DurationHistogram(), DurationHistogram(), DurationHistogram(), DurationHistogram(),
               DurationHistogram()} {}

void RunCounters::Started(const std::string& cluster) {
  ClusterRunCounters& counters = Of(cluster);
  ++counters.spawned;
  ++counters.active;
}

void RunCounters::Finished(const std::string& cluster, const Outcome& outcome,
                           std::uint64_t output_dropped_bytes) {
  ClusterRunCounters& counters = Of(cluster);
  const auto status = static_cast<std::size_t>(outcome.status);
  --counters.active;
  ++counters.completed[status];
  if (outcome.status == RunStatus::kTimeout) ++counters.timeouts;
  counters.orphans_killed += outcome.orphans_killed;
  counters.output_dropped_bytes += output_dropped_bytes;
  counters.duration[status].Observe(ToSeconds(outcome.duration));
}

ClusterRunCounters& RunCounters::Of(const std::string& cluster) {
  const auto known = clusters_.find(cluster);
  if (known != clusters_.end()) return known->second;
  return clusters_[clusters_.size() < kMaxClusters ? cluster : kOtherCluster];
}

}  // namespace runner::executor
