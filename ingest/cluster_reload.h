#pragma once

#include <functional>
#include <vector>

#include "common/logging.h"
#include "ingest/config.h"
#include "ingest/config_again.h"
#include "ingest/ingest_loop.h"
#include "ingest/mcp/connection_thread.h"

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

  // One with problems changes nothing, nor does any while the process drains.
  void Apply(ConfigAgain again);

 private:
  const IngestConfig& config_;
  IngestLoop& loop_;
  ConnectionThread& connections_;
  const Logger logger_;
  const Applied applied_;
  std::vector<ClusterConfig> clusters_;  // in effect
};

}  // namespace runner::ingest
