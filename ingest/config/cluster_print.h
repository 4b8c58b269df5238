#pragma once

#include <string>
#include <vector>

#include "ingest/config/cluster_list.h"

namespace runner::ingest {

// The clusters as a configuration file lists them, every key of each. The values of headers and the
// query of an endpoint are masked.
std::string PrintClusters(const std::vector<ClusterConfig>& clusters);

}  // namespace runner::ingest
