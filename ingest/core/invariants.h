#pragma once

#include <string>
#include <vector>

#include "ingest/core/scheduler.h"

namespace runner::ingest {

// What must hold after every step, checked again at run time: a defect is to be seen by its
// operator, not only by us.
struct BrokenInvariant {
  std::string cluster;  // empty: all of them together
  std::string name;
  std::string detail;  // the numbers
};

// The three counting equations of one cluster.
std::vector<BrokenInvariant> BrokenEquations(const Scheduler::ClusterView& cluster);

// The equations of every cluster, and that no limit of leases is exceeded. Costs O(clusters +
// executors).
std::vector<BrokenInvariant> BrokenInvariants(const Scheduler& scheduler);

}  // namespace runner::ingest
