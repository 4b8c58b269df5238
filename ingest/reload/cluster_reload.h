#pragma once

#include <functional>
#include <vector>

#include "common/observability/logger.h"
#include "ingest/config/config.h"
#include "ingest/loop/ingest_loop.h"
#include "ingest/mcp/transport/connection_thread.h"
#include "ingest/reload/config_reload.h"

namespace runner::ingest {

// Puts a list of clusters that was read again into effect, and says what came of it:
//
//   added      it is connected
//   removed    its session is closed; what waits and runs of it is finished
//   changed    in how it is reached: its session is closed, and a new one begun; in what of it is
//              investigated: the rules are other ones from now on, the session is not touched
//   the same   nothing at all
//
// Belongs to the thread of the loop.
class ClusterReload {
 public:
  using Applied = std::function<void(const std::vector<ClusterConfig>&)>;

  // `config`, of the start, `loop` and `connections` outlive this. `applied` is told the clusters
  // that are configured from now on, in the same turn of the loop.
  ClusterReload(const IngestConfig& config, IngestLoop& loop, ConnectionThread& connections,
                Logger logger, Applied applied);

  // One with problems changes nothing, nor does any while the process drains. The same problems in
  // a row are told once.
  void Apply(ReloadedConfig again);
  // The next problems are told also if they are the same: somebody asks.
  void RepeatProblems() { last_reported_.clear(); }

 private:
  const IngestConfig& config_;
  IngestLoop& loop_;
  ConnectionThread& connections_;
  const Logger logger_;
  const Applied applied_;
  std::vector<ClusterConfig> clusters_;     // in effect
  std::vector<std::string> last_reported_;  // problems, since the latest list without
};

}  // namespace runner::ingest
