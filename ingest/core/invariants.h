#pragma once

#include <string>
#include <vector>

#include "ingest/core/scheduler.h"

namespace runner::ingest {

// An invariant that does not hold. Checked at run time as well, so that operators see a defect.
struct BrokenInvariant {
  std::string cluster;  // empty: all clusters
  std::string name;
  std::string detail;  // the numbers
};

// The three counting equations of one cluster.
std::vector<BrokenInvariant> BrokenEquations(const Scheduler::ClusterView& cluster);

// The equations of every cluster, and that no limit of leases is exceeded. Costs O(clusters +
// executors).
std::vector<BrokenInvariant> BrokenInvariants(const Scheduler& scheduler);

}  // namespace runner::ingest
