#include "ingest/reload/config_reload.h"

#include <exception>
#include <utility>

namespace runner::ingest {
namespace {

// These say which clusters there are, in place of a list.
bool IsOfClusters(const std::string& key) { return key == "mcp_endpoint" || key == "cluster_name"; }

std::vector<std::string> Differences(const LogFields& before, const LogFields& after) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < before.size() && i < after.size(); ++i) {
    if (before[i].value != after[i].value && !IsOfClusters(before[i].key)) {
      keys.push_back(before[i].key);
    }
  }
  return keys;
}

}  // namespace

ReloadedConfig ReloadConfig(const IngestConfig& config, const ConfigTable& table, int argc,
                            const char* const* argv, const EnvironmentLookup& environment) {
  IngestConfig now;
  ConfigTable table_now = MakeConfigTable(&now, &config);
  // Whatever is wrong with a file: the process that it is for runs already.
  try {
    ParseResult parsed = table_now.Parse(argc, argv, environment);
    if (parsed.kind != ParseResult::kOk) return {std::move(parsed.problems), {}, {}};
  } catch (const std::exception& error) {
    return {{table.file_path() + ": " + error.what()}, {}, {}};
  }
  return {{}, std::move(now.clusters), Differences(table.Effective(), table_now.Effective())};
}

}  // namespace runner::ingest
