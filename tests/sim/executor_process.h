#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "executor/core/executor.h"
#include "tests/sim/network.h"
#include "tests/sim/process_timers.h"
#include "tests/sim/simulated_channel.h"
#include "tests/sim/simulated_runs.h"

namespace runner::sim {

// One life of an executor's process: the product's Executor on simulated time, streams and runs.
//
// Destroying it is a crash.
class ExecutorProcess final : private executor::RunListener,
                              private ChannelObserver,
                              private RunsObserver {
 public:
  struct Options {
    std::string executor_id;
    std::uint32_t slots = 1;
    bool sidecar = false;
    SimulatedRuns::Options runs;
  };

  // `exited` is called once, from inside a method: what destroys the process must come later.
  ExecutorProcess(Environment& env, Network& network, RunModel& model,
                  SimulatedWorkspace& workspace, ProcessId id, const Options& options,
                  std::function<void()> exited);

  // A signal. The second one interrupts, the third one kills.
  void Signal();
  // Nothing of the process runs for a while, as after SIGSTOP: its streams stay open, its shims go
  // on.
  void Freeze(Duration time);
  void Thaw() { loop_.Thaw(); }
  bool frozen() const { return loop_.frozen(); }

  ProcessId id() const { return id_; }
  const Options& options() const { return options_; }
  const std::string& name() const { return name_; }
  const executor::Executor& executor() const { return executor_; }
  const SimulatedRuns& runs() const { return runs_; }
  StreamId stream() const { return channel_.stream(); }
  // Remembers when a drain has begun. After each step.
  void WatchDrain();
  // Offers that ingest may still make, as this process sees it. Below zero: it made too many.
  std::int64_t OpenCredits() const;

 private:
  void OnRunStarted(const executor::StartedRun& run) override { executor_.OnRunStarted(run); }
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;

  // As ExecutorLoop: nothing is taken before what an earlier process has left has ended.
  void AwaitLeftovers();
  void OnStop(const Lease& lease, executor::StopReason reason) override;
  void OnSent(const UpMessage& message) override;
  void BeforeMessage(const DownMessage& message) override;
  // Lets the executor hear it again, now and then.
  void AfterMessage(const DownMessage& message) override;
  bool Knows(const Lease& lease) const;
  // All of it that a repeated message must not change.
  std::string State() const;

  Environment& env_;
  RunModel& model_;
  SimulatedWorkspace& workspace_;
  const ProcessId id_;
  const Options options_;
  const std::string name_;
  ProcessTimers loop_;
  SimulatedRuns runs_;
  SimulatedChannel channel_;
  executor::Executor executor_;
  std::int64_t offers_ = 0;  // since Welcome, counted apart from the admission
  bool counted_ = false;     // in it, the offer that is heard now
  std::optional<MonoTime> drain_began_;
  int signals_ = 0;
  std::set<Lease> shut_down_;     // by ingest
  std::optional<Lease> refused_;  // offered just now, while it drains
};

}  // namespace runner::sim
