#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "executor/core/executor.h"
#include "executor/core/ingest_channel.h"
#include "executor/loop/executor_options.h"
#include "executor/runs/leftover_cleanup.h"
#include "executor/runs/supervisor.h"
#include "executor/workspace/retention_thread.h"

namespace runner::executor {

// The loop of the executor: connects the decisions (Executor) with the supervisor and the channel
// to ingest. At start it waits for the runs that an earlier executor left; later it triggers the
// retention of workspaces.
//
// Belongs to the thread of the event loop, except `draining` and `attached`.
class ExecutorLoop final : private RunListener {
 public:
  // `channel` and `event_loop` must outlive this.
  ExecutorLoop(ExecutorOptions options, AgentOptions agent, IngestChannel& channel,
               EventLoop& event_loop, const Logger& logger);
  ~ExecutorLoop();

  // Waits for the runs that an earlier executor left, takes over their results, and attaches.
  void Start();
  // See Executor.
  void OnDrain(Duration timeout, std::function<void()> done) {
    executor_.OnDrain(timeout, std::move(done));
  }
  void OnSignal(const std::string& signal) { executor_.OnSignal(signal); }

  bool draining() const { return executor_.draining(); }
  bool attached() const { return executor_.attached(); }
  const ExecutorOptions& options() const { return options_; }
  const Executor& executor() const { return executor_; }
  const Supervisor& supervisor() const { return supervisor_; }
  Supervisor& supervisor() { return supervisor_; }

 private:
  void OnRunStarted(const StartedRun& run) override { executor_.OnRunStarted(run); }
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;

  void AwaitLeftoverRuns();
  void TakeOver();
  void SweepAgain();
  void EnforceRetention();
  void EnforceRetentionIn(Duration delay);

  const ExecutorOptions options_;
  EventLoop& event_loop_;
  const Logger logger_;
  RetentionThread retention_;
  Supervisor supervisor_;
  Executor executor_;

  EventLoop::TimerId retention_timer_ = EventLoop::kNoTimer;
  MonoTime next_retention_;
  EventLoop::TimerId start_timer_ = EventLoop::kNoTimer;
  std::optional<LeftoverCleanup> cleanup_;
};

}  // namespace runner::executor
