#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "executor/core/run_outcome.h"
#include "executor/runs/agent_options.h"
#include "executor/runs/shim_process.h"
#include "executor/runs/spool.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {

// How far the start of a run came: without a shim, `failed_step` and `error` say why.
struct LaunchResult {
  std::optional<Workspace> workspace;
  std::optional<ShimProcess> shim;
  std::string failed_step;
  StartFailure failure = StartFailure::kSpawn;
  int error = 0;  // an errno
  // Nothing of the run has ever existed, and its workspace was removed again: the executor is short
  // of descriptors, processes, memory or disk.
  bool shortage = false;
};

// Makes the workspace of a run, writes incident.json and starts the shim that starts the agent.
// `own_environment` is what the agent's environment is selected from; from `lease_deadline` on the
// shim stops the agent unless it hears otherwise.
LaunchResult Launch(const AgentOptions& options, const std::vector<std::string>& own_environment,
                    Spool& spool, const Lease& lease, const Incident& incident, WallTime now,
                    std::optional<MonoTime> lease_deadline);

}  // namespace runner::executor
