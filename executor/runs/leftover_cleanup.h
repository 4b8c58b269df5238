#pragma once

#include "common/base/clock.h"
#include "common/observability/logger.h"
#include "executor/runs/leftover_runs.h"

namespace runner::executor {

// Ends the runs that an earlier executor left, before this one starts any. Shims get the time that
// they need; a shim that does not end in time (a stopped one, for example) is killed with its whole
// run. Orphans are killed until no more are found. Decides and sends signals; the caller polls it.
// Not thread-safe.
class LeftoverCleanup {
 public:
  enum class State {
    kWaiting,
    kClear,  // no process of an earlier run is visible
    kStuck,  // some process cannot be ended
  };

  // `shim_timeout`: how long a shim gets to end by itself. `alone`: no other executor uses the
  // workspace root, so a locked workspace belongs to an earlier run. Otherwise locked workspaces
  // are left alone, and the cleanup ends after that time. `earlier` must outlive this.
  LeftoverCleanup(LeftoverRuns& earlier, Logger logger, bool alone, MonoTime now,
                  Duration shim_timeout);

  // Interval of the polls; any result but kWaiting is final.
  static constexpr Duration kInterval = std::chrono::milliseconds(20);
  State Advance(MonoTime now);

 private:
  State AwaitShims(MonoTime now);
  State Sweep(MonoTime now);

  enum class Phase { kPatient, kContinued, kKilled };

  LeftoverRuns& earlier_;
  const Logger logger_;
  const bool alone_;
  Phase phase_ = Phase::kPatient;
  MonoTime next_;          // when the next phase starts
  bool given_up_ = false;  // leaves the remaining shims alone: they may belong to a live executor
  MonoTime sweep_until_ = MonoTime::max();
  int clean_ = 0;  // consecutive checks that found nothing
};

}  // namespace runner::executor
