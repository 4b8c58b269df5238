#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "executor/shim/record.h"

namespace runner::executor {

// Why the executor stops a run.
enum class StopReason { kCancelled, kInterrupted, kSignalledExecutor };

// What was found where the agent was to leave its report.
enum class ReportVerdict { kNotRequired, kGood, kMissing, kTooSmall, kInvalid };

// Why no agent could be started.
enum class StartFailure { kSpawn, kKubeconfigMissing };

// All that is known when a run is over.
struct RunEnd {
  // Nothing when the shim could not be started (`started` false) or was lost with its record.
  std::optional<ShimRecord> record;
  bool started = true;                                // the shim, which starts the agent
  StartFailure start_failure = StartFailure::kSpawn;  // why it could not be started
  int start_errno = 0;
  std::optional<StopReason> stop_requested;  // by this executor; the record knows if it mattered
  bool contained = false;                    // proven, by the shim or after it
  std::uint32_t orphans_killed = 0;          // by the executor, beyond those of the record
  ReportVerdict report = ReportVerdict::kNotRequired;
  // Measured by the executor, used where there is no record.
  WallTime started_at;
  WallTime finished_at;
  Duration duration{};
};

// Whether an errno says that the machine or the container is short of descriptors, processes,
// memory or disk: nothing that an agent or its configuration has done.
bool IsShortage(int error);

// The one outcome of a run. An agent that was stopped for a reason has that status whatever it
// exits with; one that ended by itself before it was told to stop has its own. `report` and
// `workspace` are left empty.
Outcome Judge(const RunEnd& end);

}  // namespace runner::executor
