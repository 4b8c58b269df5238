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

// One process of an executor: the product's Executor on simulated time, streams and runs.
//
// The destructor simulates a crash.
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

  // `exited` is called once, from inside a method; the caller must destroy the process later.
  ExecutorProcess(Environment& env, Network& network, RunModel& model,
                  SimulatedWorkspace& workspace, ProcessId id, const Options& options,
                  std::function<void()> exited);

  // Sends a termination signal. The second one interrupts, the third one kills.
  void Signal();
  // Freezes the process as SIGSTOP does: its streams stay open, and its shims keep running.
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
  // Records the start of a drain. Call after each step.
  void WatchDrain();
  // The offers that ingest may still make, by the count of this process. Negative: it made too
  // many.
  std::int64_t OpenCredits() const;

 private:
  void OnRunStarted(const executor::StartedRun& run) override { executor_.OnRunStarted(run); }
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;

  // As ExecutorLoop: accepts nothing before the leftover runs have ended.
  void AwaitLeftovers();
  void OnStop(const Lease& lease, executor::StopReason reason) override;
  void OnSent(const UpMessage& message) override;
  void BeforeMessage(const DownMessage& message) override;
  // Repeats the message to the executor at random.
  void AfterMessage(const DownMessage& message) override;
  bool Knows(const Lease& lease) const;
  // All state that a repeated message must not change.
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
  std::int64_t offers_ = 0;  // since Welcome; counted independently of Admission
  bool counted_ = false;     // offers_ includes the offer that is being handled
  std::optional<MonoTime> drain_began_;
  int signals_ = 0;
  std::set<Lease> shut_down_;                  // cancelled by ingest for a shutdown
  std::optional<Lease> offer_while_draining_;  // the offer being handled, while draining
};

}  // namespace runner::sim
