#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "executor/shim/record.h"

namespace runner::executor {

// Why the executor stops a run.
enum class StopReason { kCancelled, kInterrupted, kSignalledExecutor };

// The state of the report file of an agent.
enum class ReportVerdict { kNotRequired, kGood, kMissing, kTooSmall, kInvalid };

// Why an agent could not be started.
enum class StartFailure { kSpawn, kKubeconfigMissing };

// All facts about a run at its end.
struct RunEnd {
  // Empty if the shim could not be started (`started` false), or was lost together with its record.
  std::optional<ShimRecord> record;
  bool started = true;                                // the shim was started
  StartFailure start_failure = StartFailure::kSpawn;  // why the shim could not be started
  int start_errno = 0;
  std::optional<StopReason> stop_requested;  // by this executor; the record says if it took effect
  bool contained = false;                    // proven, by the shim or by the executor's sweep
  std::uint32_t orphans_killed = 0;  // by the executor's sweep, in addition to those of the record
  ReportVerdict report = ReportVerdict::kNotRequired;
  // Measured by the executor; used if there is no record.
  WallTime started_at;
  WallTime finished_at;
  Duration duration{};
};

// True if the errno means that the machine or the container lacks descriptors, processes, memory or
// disk, which neither the agent nor its configuration has caused.
bool IsShortage(int error);

// Returns the outcome of a run. An agent that was stopped gets the status of the stop, whatever its
// exit code; an agent that exited before the stop keeps its own. `report` and `workspace` stay
// empty.
Outcome Judge(const RunEnd& end);

}  // namespace runner::executor
