#pragma once

#include <cstdint>
#include <string>

#include "common/domain/incident.h"
#include "executor/core/run_outcome.h"
#include "executor/runs/agent_options.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {

// Where an agent is told to put its report when the configuration names no place.
inline constexpr const char* kDefaultReportFile = "output/investigation.md";

// A run that is over, as it is told to others.
struct FinalizedRun {
  Outcome outcome;
  int result_errno =
      0;  // why result.json could not be written; 0: it was, or there is no workspace
};

// "ENOENT: No such file or directory".
std::string ErrorName(int error);

// Reads the report that the agent left, judges the run and writes result.json. `workspace` is null
// when there is none, which is no report either; `end.report` is ignored. Reads and writes files;
// never throws on their account.
FinalizedRun FinalizeRun(const AgentOptions& options, const Lease& lease, RunEnd end,
                         const Workspace* workspace);

}  // namespace runner::executor
