#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/incident.h"
#include "executor/core/run_outcome.h"
#include "executor/core/run_supervisor.h"
#include "executor/runs/run_counters.h"
#include "tests/sim/process_timers.h"
#include "tests/sim/run_model.h"

namespace runner::sim {

// The workspace root of one executor, which outlives its processes: results that are not
// acknowledged, and runs whose shims have lost their executor.
class SimulatedWorkspace {
 public:
  // Leftover runs of an earlier process that have not ended.
  std::size_t leftovers() const { return leftovers_; }
  const std::map<Lease, Outcome>& spool() const { return spool_; }

 private:
  friend class SimulatedRuns;

  std::size_t leftovers_ = 0;
  std::map<Lease, Outcome> spool_;
};

// Observes what an executor requests for its runs.
class RunsObserver {
 public:
  virtual void OnStop(const Lease& lease, executor::StopReason reason) = 0;

 protected:
  ~RunsObserver() = default;
};

// Simulates the supervisor and its shims with the same contract: runs last some time, exit at
// random, obey SIGTERM or wait for SIGKILL, and are contained some time after that. The shims keep
// running while the executor is frozen, and stop their agents at the lease deadline.
//
// The destructor simulates the death of the executor: its shims stop their agents, or die as well.
class SimulatedRuns final : public executor::RunSupervisor {
 public:
  struct Options {
    Duration agent_timeout{};
    Duration kill_grace{};
    bool keeps_rules = false;  // see RunModel::Began
  };

  // `loop` is the loop of the executor; the listener is called on it.
  SimulatedRuns(Environment& env, RunModel& model, ProcessId process, Options options,
                SimulatedWorkspace& workspace, ProcessTimers& loop, executor::RunListener& listener,
                RunsObserver& observer)
      : env_(env),
        model_(model),
        process_(process),
        options_(options),
        workspace_(workspace),
        loop_(loop),
        listener_(listener),
        observer_(observer) {}
  ~SimulatedRuns();
  SimulatedRuns(const SimulatedRuns&) = delete;
  SimulatedRuns& operator=(const SimulatedRuns&) = delete;

  bool Start(const Lease& lease, const Incident& incident) override;
  void Stop(const Lease& lease, executor::StopReason reason) override;
  void KillAll() override;
  void ExtendLeases(MonoTime deadline) override;
  void ForgetResult(const Lease& lease) override { workspace_.spool_.erase(lease); }

  std::size_t active() const override { return runs_.size(); }
  std::vector<executor::StartedRun> Started() const override;
  bool tainted() const override { return tainted_; }
  const executor::RunCounters& counters() const { return counters_; }
  // When the agents are stopped, unless the deadline is extended.
  std::optional<MonoTime> deadline() const { return deadline_; }

 private:
  enum class Phase { kStarting, kRunning, kContaining, kContained };
  struct Run {
    std::string cluster;
    Phase phase = Phase::kStarting;
    bool told_started = false;
    bool obeys_term = true;
    std::optional<executor::ShimStop> requested;
    executor::RunEnd end;
    RunStatus disposition = RunStatus::kFailure;  // the real result
    EventQueue::Id next;
  };

  void OnStarted(const Lease& lease);
  void OnTimeout(const Lease& lease);
  void OnExit(const Lease& lease);
  void OnContained(const Lease& lease);
  void OnLeasesEnd();
  // The first request counts; one from before the start of the agent waits for the start.
  void Request(const Lease& lease, Run& run, executor::ShimStop stop);
  void BeginStop(const Lease& lease, Run& run, executor::ShimStop stop);
  static bool Stopped(const Run& run);
  Duration UntilStopped(const Run& run);
  void Finish(const Lease& lease);
  template <typename Method>
  void Schedule(const Lease& lease, Run& run, Duration delay, Method method);

  Environment& env_;
  RunModel& model_;
  const ProcessId process_;
  const Options options_;
  SimulatedWorkspace& workspace_;
  ProcessTimers& loop_;
  executor::RunListener& listener_;
  RunsObserver& observer_;
  std::map<Lease, Run> runs_;
  executor::RunCounters counters_;
  std::optional<MonoTime> deadline_;  // lease deadline
  std::optional<EventQueue::Id> leases_end_;
  bool tainted_ = false;
};

}  // namespace runner::sim
