#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "common/base/histogram.h"
#include "common/domain/incident.h"

namespace runner::executor {

inline constexpr std::size_t kRunStatusCount = 5;

// The counts of one cluster. Invariant: spawned = sum of completed + active.
struct ClusterRunCounters {
  ClusterRunCounters();

  std::uint64_t spawned = 0;  // attempts, including those that failed to start
  std::array<std::uint64_t, kRunStatusCount> completed{};  // by RunStatus
  std::uint64_t timeouts = 0;
  std::uint64_t active = 0;
  std::uint64_t orphans_killed = 0;
  std::uint64_t output_dropped_bytes = 0;
  std::array<Histogram, kRunStatusCount> duration;  // seconds, by RunStatus
};

// The counts of the runs of this process by cluster. Clusters are learned from the runs, at most
// kMaxClusters; later ones count as kOtherCluster. A plain value.
class RunCounters {
 public:
  static constexpr std::size_t kMaxClusters = 1000;
  static constexpr const char* kOtherCluster = "other";

  void Started(const std::string& cluster);
  // Call once for each Started.
  void Finished(const std::string& cluster, const Outcome& outcome,
                std::uint64_t output_dropped_bytes);

  const std::map<std::string, ClusterRunCounters>& clusters() const { return clusters_; }

 private:
  ClusterRunCounters& Of(const std::string& cluster);

  std::map<std::string, ClusterRunCounters> clusters_;
};

}  // namespace runner::executor
