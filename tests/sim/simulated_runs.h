#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/incident.h"
#include "executor/core/run_outcome.h"
#include "executor/supervisor/run_counters.h"
#include "tests/sim/run_truth.h"

namespace runner::sim {

// The longest that it takes to contain what an agent left.
inline constexpr Duration kContainmentBudget = std::chrono::seconds(5);

class RunListener {
 public:
  virtual void OnRunStarted(const Lease& lease) = 0;
  virtual void OnRunFinished(const Lease& lease, const Outcome& outcome) = 0;

 protected:
  ~RunListener() = default;
};

// Stands in for the supervisor and its shims, with the same contract: runs that take their time,
// exit as chance wills, obey SIGTERM or wait for SIGKILL, and are contained some time after that.
class SimulatedRuns {
 public:
  struct Options {
    Duration agent_timeout{};
    Duration kill_grace{};
  };

  SimulatedRuns(Environment& env, RunTruth& truth, ProcessId process, Options options,
                RunListener& listener)
      : env_(env), truth_(truth), process_(process), options_(options), listener_(listener) {}
  // Runs that are active die now, or as late as their shims let them.
  ~SimulatedRuns();
  SimulatedRuns(const SimulatedRuns&) = delete;
  SimulatedRuns& operator=(const SimulatedRuns&) = delete;

  // False: a shortage, there is no run.
  bool Start(const Lease& lease, const std::string& cluster);
  void Stop(const Lease& lease, executor::StopReason reason);
  void KillAll();

  // Leases whose agent has started and whose run is not over.
  std::vector<Lease> Started() const;
  std::size_t active() const { return runs_.size(); }
  bool tainted() const { return tainted_; }
  const executor::RunCounters& counters() const { return counters_; }

 private:
  enum class Phase { kStarting, kRunning, kContaining };
  struct Run {
    std::string cluster;
    Phase phase = Phase::kStarting;
    bool told_started = false;
    bool obeys_term = true;
    std::optional<executor::StopReason> stop;
    executor::RunEnd end;
    RunStatus fate = RunStatus::kFailure;  // what an observer would call it
    EventQueue::Id next;
  };

  void OnStarted(const Lease& lease);
  void OnTimeout(const Lease& lease);
  void OnExit(const Lease& lease);
  void OnContained(const Lease& lease);
  void BeginStop(const Lease& lease, Run& run);
  Duration UntilStopped(const Run& run);
  template <typename Method>
  void Schedule(const Lease& lease, Run& run, Duration delay, Method method);

  Environment& env_;
  RunTruth& truth_;
  const ProcessId process_;
  const Options options_;
  RunListener& listener_;
  std::map<Lease, Run> runs_;
  executor::RunCounters counters_;
  bool tainted_ = false;
};

}  // namespace runner::sim
