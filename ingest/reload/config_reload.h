#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config_table.h"
#include "common/loop/event_loop.h"
#include "common/loop/file_watch.h"
#include "common/observability/logger.h"
#include "ingest/config/config.h"
#include "ingest/loop/ingest_loop.h"
#include "ingest/mcp/transport/connection_thread.h"

namespace runner::ingest {

// The command line that the process was started with.
struct StartArguments {
  int argc = 0;
  const char* const* argv = nullptr;
};

// A configuration that was read again. Only the clusters can change while the process runs.
struct ReloadedConfig {
  std::vector<std::string> problems;  // not empty: the other members are empty
  std::vector<ClusterConfig> clusters;
  std::vector<std::string> not_applied;  // keys of other options that changed
};

// Reads the configuration with the arguments and the environment of the start. `config` and `table`
// are those of the start and are only read. Any thread.
ReloadedConfig ReloadConfig(const IngestConfig& config, const ConfigTable& table,
                            const StartArguments& start, const EnvironmentLookup& environment);

// The difference between two lists of clusters, as names. The order within a list has no meaning.
struct ClusterChanges {
  std::vector<std::string> added;      // in the order of the new list
  std::vector<std::string> removed;    // in the order of the old list
  std::vector<std::string> changed;    // in the order of the new list
  std::vector<std::string> reconnect;  // those of `changed` that need a new session

  bool operator==(const ClusterChanges&) const = default;
};

// Names are unique within each list. Pure.
ClusterChanges CompareClusters(const std::vector<ClusterConfig>& before,
                               const std::vector<ClusterConfig>& after);

// Reloads the configuration file after it has changed, and on SIGHUP, and applies the new list of
// clusters:
//
//   added      the cluster is connected
//   removed    its session is closed, its incidents are finished
//   changed    access: its session is closed and a new one opened; filter: only the filter changes
//   unchanged  nothing happens
//
// A configuration with problems changes nothing; neither does any while the process drains. Equal
// problems in a row are logged once, unless SIGHUP asked for the reload.
//
// A long list takes seconds to read: FileWatch reads it on its own thread, and the result is posted
// to the event loop. Constructed, used and destroyed on the thread of the loop, or while the loop
// does not run.
class ConfigReload {
 public:
  // What the reload changes. All of it outlives the ConfigReload.
  struct Targets {
    EventLoop& event_loop;
    IngestLoop& loop;
    ConnectionThread& connections;
    // Called with the configured clusters in the turn of the loop that applies them.
    std::function<void(const std::vector<ClusterConfig>&)> on_applied;
  };

  // `start`, `config` and `table` are those of the start; they outlive this and do not change.
  ConfigReload(const Clock& clock, const StartArguments& start, const IngestConfig& config,
               const ConfigTable& table, Targets targets, const Logger& logger);

  void OnHangup();

 private:
  void Apply(ReloadedConfig reloaded);

  const IngestConfig& config_;
  const Targets targets_;
  const Logger logger_;
  std::vector<ClusterConfig> clusters_;     // in effect
  std::vector<std::string> last_reported_;  // problems, since the last reload without any
  std::optional<FileWatch> file_;           // empty without a configuration file
};

}  // namespace runner::ingest
