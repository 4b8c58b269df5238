#pragma once

#include "common/base/clock.h"
#include "common/observability/logger.h"
#include "executor/runs/leftover_runs.h"

namespace runner::executor {

// The end of what an earlier executor has left running, before this one runs anything: its shims
// are given the time that they need, the ones that do not end (a stopped one, say) are killed with
// all of their run, and what no shim looks after is killed until nothing of it turns up any more.
// Decides and signals; it is asked again and again. Not thread-safe.
class LeftoverCleanup {
 public:
  enum class State {
    kWaiting,
    kClear,  // as far as can be seen, nothing of an earlier run exists
    kStuck,  // something does not end, whatever was tried
  };

  // `patience`: what a shim may take by itself. `alone`: no other executor uses the workspace root,
  // so that whatever holds a lock is an earlier run; else nothing that is locked is touched, and
  // after the patience this is over. `earlier` must outlive this.
  LeftoverCleanup(LeftoverRuns& earlier, Logger logger, bool alone, MonoTime now,
                  Duration patience);

  // Ask every kInterval; the answer is final unless it is kWaiting.
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
  MonoTime next_;          // when the next phase is due
  bool given_up_ = false;  // on shims that may be those of an executor that lives
  MonoTime sweep_until_ = MonoTime::max();
  int clean_ = 0;  // looks in a row that found nothing
};

}  // namespace runner::executor
