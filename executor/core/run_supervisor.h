#pragma once

#include <cstddef>
#include <vector>

#include "common/domain/incident.h"
#include "executor/core/run_outcome.h"

namespace runner::executor {

// A run whose agent has started and whose end was not reported yet.
struct StartedRun {
  Lease lease;
  int pid = 0;
  WallTime started_at;
};

// Receives the events of the runs on the loop thread, never from inside a call of the supervisor.
// It may call the supervisor from its callbacks.
class RunListener {
 public:
  virtual void OnRunStarted(const StartedRun& run) = 0;
  // Called once for every Start of a new lease, whether or not the agent started. No process of the
  // run exists any more, unless the outcome has contained = false.
  virtual void OnRunFinished(const Lease& lease, const Outcome& outcome) = 0;

 protected:
  ~RunListener() = default;
};

// Runs agents: one for each lease. Belongs to the loop thread; no call blocks.
class RunSupervisor {
 public:
  // Starts a run; does nothing if the lease is already active. If the agent cannot be started, the
  // run ends as failure, spawn_error. Returns false if descriptors, processes, memory or disk are
  // short: there is no run, and the listener is not called.
  virtual bool Start(const Lease& lease, const Incident& incident) = 0;
  // Sends SIGTERM, and SIGKILL after the grace. Does nothing if the run is not active or is already
  // being stopped.
  virtual void Stop(const Lease& lease, StopReason reason) = 0;
  // Sends SIGKILL at once; runs that were not stopped before end as interrupted.
  virtual void KillAll() = 0;
  // Sets the lease deadline: unless it is extended in time, the shims stop their agents then, as
  // interrupted, even if this process is stopped. Without a call there is no deadline.
  virtual void ExtendLeases(MonoTime deadline) = 0;
  // Ingest has recorded the result of the lease: deletes it here.
  virtual void ForgetResult(const Lease& lease) = 0;

  virtual std::size_t active() const = 0;
  virtual std::vector<StartedRun> Started() const = 0;
  // True once a run, also one of an earlier executor, could not be contained: this process must
  // take no more work and exit.
  virtual bool tainted() const = 0;

 protected:
  ~RunSupervisor() = default;
};

}  // namespace runner::executor
