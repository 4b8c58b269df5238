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

// The result of a launch; without a shim, `failed_step` and `error` give the cause.
struct LaunchResult {
  std::optional<Workspace> workspace;
  std::optional<ShimProcess> shim;
  std::string failed_step;
  StartFailure failure = StartFailure::kSpawn;
  int error = 0;  // an errno
  // The executor is short of descriptors, processes, memory or disk. No process of the run has
  // existed, and its workspace was removed.
  bool shortage = false;
};

// Creates the workspace of a run, writes incident.json and starts the shim, which starts the agent.
// The agent's environment is selected from `own_environment`. At `lease_deadline` the shim stops
// the agent, unless the deadline is extended.
LaunchResult Launch(const AgentOptions& options, const std::vector<std::string>& own_environment,
                    Spool& spool, const Lease& lease, const Incident& incident, WallTime now,
                    std::optional<MonoTime> lease_deadline);

}  // namespace runner::executor
