#pragma once

#include <string>
#include <vector>

#include "common/config/option_table.h"
#include "ingest/config/config.h"

namespace runner::ingest {

// What the configuration says now, as far as it may change while the process runs: the clusters.
struct ReloadedConfig {
  std::vector<std::string> problems;  // if there are any, nothing else counts
  std::vector<ClusterConfig> clusters;
  std::vector<std::string> not_applied;  // options that changed as well, as the file calls them
};

// Reads the configuration again, with the arguments and the environment of the start. `config` and
// `table` are those of the start, and are only read: any thread, for as long as nobody writes them.
ReloadedConfig ReloadConfig(const IngestConfig& config, const ConfigTable& table, int argc,
                            const char* const* argv, const EnvironmentLookup& environment);

}  // namespace runner::ingest
