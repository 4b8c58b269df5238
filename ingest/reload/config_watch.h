#pragma once

#include <optional>

#include "common/config/option_table.h"
#include "common/loop/event_loop.h"
#include "common/loop/file_watch.h"
#include "common/observability/logger.h"
#include "ingest/config/config.h"
#include "ingest/reload/cluster_reload.h"

namespace runner::ingest {

// Has the file of --config read again when it has changed, and when somebody asks. Reading and
// checking a long list takes seconds: that is done on a thread of its own, and what was read is
// posted to the loop.
//
// Constructed, asked and destroyed on the thread of the loop, or while it does not run.
class ConfigWatch {
 public:
  // How the process was started.
  struct Start {
    int argc = 0;
    const char* const* argv = nullptr;
  };

  // All of these outlive this; `config` and `table` are those of the start, and stay as they are.
  ConfigWatch(const Clock& clock, const Start& start, const IngestConfig& config,
              const ConfigTable& table, EventLoop& event_loop, ClusterReload& reload,
              const Logger& logger);

  // SIGHUP came.
  void OnHangup(bool draining);

 private:
  const Logger logger_;
  ClusterReload& reload_;
  std::optional<FileWatch> file_;  // none without a regular file
};

}  // namespace runner::ingest
