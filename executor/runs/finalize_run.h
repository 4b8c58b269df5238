#pragma once

#include <cstdint>
#include <string>

#include "common/domain/incident.h"
#include "executor/core/run_outcome.h"
#include "executor/runs/agent_options.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {

// The path of the report if the configuration sets none.
inline constexpr const char* kDefaultReportFile = "output/investigation.md";

// The result of a run, with the error of writing result.json.
struct FinalizedRun {
  Outcome outcome;
  int result_errno = 0;  // errno of writing result.json; 0: written, or there is no workspace
};

// For example "ENOENT: No such file or directory".
std::string ErrorName(int error);

// Checks the report of the agent, judges the run and writes result.json. A null `workspace` counts
// as a missing report; `end.report` is ignored. Does file I/O; its errors do not throw.
FinalizedRun FinalizeRun(const AgentOptions& options, const Lease& lease, RunEnd end,
                         const Workspace* workspace);

}  // namespace runner::executor
