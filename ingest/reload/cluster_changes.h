#pragma once

#include <string>
#include <vector>

#include "ingest/config/cluster_list.h"

namespace runner::ingest {

// How one list of clusters differs from another, by name. The order of a list means nothing.
struct ClusterChanges {
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> changed;
  std::vector<std::string> reached_otherwise;  // of the changed ones; others differ in rules alone

  bool operator==(const ClusterChanges&) const = default;
};

// Names are unique within each list. In the order of `after`, the removed ones in that of `before`.
ClusterChanges Compare(const std::vector<ClusterConfig>& before,
                       const std::vector<ClusterConfig>& after);

}  // namespace runner::ingest
