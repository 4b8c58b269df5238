#pragma once

#include <cstddef>
#include <vector>

#include "common/domain/incident.h"
#include "executor/core/run_outcome.h"

namespace runner::executor {

// A run whose agent has started and whose end is not told yet.
struct StartedRun {
  Lease lease;
  int pid = 0;
  WallTime started_at;
};

// Hears of the runs, on the loop thread, never from inside a call of the supervisor. It may call
// the supervisor from its callbacks.
class RunListener {
 public:
  virtual void OnRunStarted(const StartedRun& run) = 0;
  // Exactly once for every Start of a new lease, started or not; nothing of the run exists any more
  // unless the outcome says contained = false.
  virtual void OnRunFinished(const Lease& lease, const Outcome& outcome) = 0;

 protected:
  ~RunListener() = default;
};

// Runs agents: one for each lease. Belongs to the loop thread; no call blocks.
class RunSupervisor {
 public:
  // Begins a run. A lease that is active already is left alone; whatever keeps the agent from being
  // started ends the run as failure, spawn_error. False: descriptors, processes, memory or disk are
  // short, there is no run, and the listener hears nothing of it.
  virtual bool Start(const Lease& lease, const Incident& incident) = 0;
  // SIGTERM, after the grace SIGKILL. A run that is not active or is being stopped is left alone.
  virtual void Stop(const Lease& lease, StopReason reason) = 0;
  // SIGKILL at once; runs that nobody has stopped end as interrupted.
  virtual void KillAll() = 0;
  // From this time on the agents are stopped, as interrupted, unless it is extended before that:
  // also while this process is stopped itself. Never called, there is no such time.
  virtual void ExtendLeases(MonoTime deadline) = 0;
  // The result of the lease is recorded elsewhere, and need not be kept.
  virtual void ForgetResult(const Lease& lease) = 0;

  virtual std::size_t active() const = 0;
  virtual std::vector<StartedRun> Started() const = 0;
  // True once a run, be it an earlier one, could not be contained: this process must take no more
  // work and end.
  virtual bool tainted() const = 0;

 protected:
  ~RunSupervisor() = default;
};

}  // namespace runner::executor
