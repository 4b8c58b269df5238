#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/domain/dispatch.h"
#include "common/loop/timers.h"
#include "common/observability/logger.h"
#include "ingest/core/commit_gate.h"
#include "ingest/core/connection_board.h"
#include "ingest/core/decision_log.h"
#include "ingest/core/incident_journal.h"
#include "ingest/core/scheduler.h"
#include "ingest/loop/executor_streams.h"
#include "ingest/mcp/protocol/connection_listener.h"

namespace runner::ingest {

// Observes the steps of a loop. The simulator compares each decision with its reference model.
class StepObserver {
 public:
  virtual void BeforeStep() = 0;
  // Called with the decisions, before any of them is carried out.
  virtual void AfterStep(const Effects& effects) = 0;
  // Called with each effect as it is carried out.
  virtual void OnCarriedOut(const Effect& effect) = 0;

 protected:
  ~StepObserver() = default;
};

// The loop that owns all state of ingest. Passes input from connections, executors and operators to
// the scheduler, and carries out its decisions: messages to executors, log lines, the timer.
//
// Threads: the methods of ConnectionListener, `draining`, `breaker_open` and `subscribed` may be
// called from any thread; everything else belongs to the loop thread.
class IngestLoop final : public ConnectionListener {
 public:
  // All references must outlive the loop. `new_id`: as for Scheduler. `observer` may be null.
  IngestLoop(const SchedulerOptions& options, Timers& timers, IncidentJournal& journal,
             ExecutorStreams& executors, Scheduler::NewId new_id, Logger logger,
             StepObserver* observer = nullptr);
  ~IngestLoop() override;

  // Restores the incidents of the journal. Call once, before any input.
  void Restore();

  // Runs one input of the scheduler and carries out its effects:
  //   loop.Step([&](Scheduler& s, const Instant& now, Effects& out) { s.OnKeepAlive(...); });
  template <typename Input>
  auto Step(Input input) {
    Effects effects;
    const Instant now = timers_.Now();
    if (observer_ != nullptr) observer_->BeforeStep();
    if constexpr (std::is_void_v<decltype(input(scheduler_, now, effects))>) {
      input(scheduler_, now, effects);
      AfterStep(std::move(effects));
    } else {
      auto result = input(scheduler_, now, effects);
      AfterStep(std::move(effects));
      return result;
    }
  }

  // Replaces the configured clusters: Scheduler::SetClusters. Does not touch their connections.
  bool SetClusters(const std::vector<ClusterOptions>& clusters);

  // From an executor. The first message of a stream must be its only Hello.
  void OnMessage(StreamId stream, const dispatch::ExecutorMessage& message);
  void OnStreamClosed(StreamId stream);

  // From operators: as for Scheduler, and logged. ResetBreaker returns the previous state.
  Scheduler::Cancelled Cancel(const std::string& incident_id);
  Scheduler::Rerun Rerun(const std::string& incident_id);
  CircuitBreaker::State ResetBreaker();

  // From the connections; any thread.
  void OnOpened(const std::string& cluster) override;
  void OnEvent(const std::string& cluster, DecodedEvent event, bool backfilled) override;
  void OnSubscribed(const std::string& cluster, const Subscribed& subscription) override;
  void OnFailed(const std::string& cluster, const ConnectionFailure& failure, Duration retry_in,
                int attempt) override;
  void OnClosed(const std::string& cluster) override;
  void OnWarning(const std::string& cluster, const McpWarning& warning) override;
  void OnEntriesDropped(const std::string& cluster, std::size_t count) override;

  // Stops leasing and waits for the leases of the executors of this pod. After `timeout` they are
  // cancelled and get the largest stop budget. Then `done` runs, once. A second call cancels at
  // once.
  void Drain(int signal, Duration timeout, std::function<void()> done);
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  // True while the circuit breaker is open. For readiness; any thread.
  bool breaker_open() const { return breaker_open_.load(std::memory_order_relaxed); }
  // Logs the end of the drain: the last line of the process.
  void LogDrained() const;

  // Checks the counting equations and the limits; counts and logs violations. Called by every
  // scrape, and once a minute by the sweep in case nothing scrapes.
  void CheckInvariants();

  const Scheduler& scheduler() const { return scheduler_; }
  const IncidentJournal& journal() const { return journal_; }
  std::uint64_t sweeper_errors() const { return sweeper_errors_; }
  // The number of violations found.
  std::uint64_t invariant_violations() const { return invariant_violations_; }
  const ConnectionBoard& connections() const { return connections_; }
  // The decisions on the latest events.
  const DecisionLog& decisions() const { return decisions_; }
  // The number of subscribed connections. For readiness; any thread.
  std::size_t subscribed() const { return subscribed_.load(std::memory_order_relaxed); }

 private:
  void AfterStep(Effects effects);
  void CarryOut(const Effects& effects);
  // One overload for each kind of effect: a new kind does not compile until it is handled.
  void CarryOut(const Persist&) {}  // done by CommitGate
  void CarryOut(const ToExecutor& to);
  void CarryOut(const CloseSuperseded& close);
  void CarryOut(const CancelSilent& cancel);
  void CarryOut(const Fact& fact);
  void AdvanceDrain();
  void RearmTimer();
  void OnTimer();
  void Sweep();
  void CancelRunning();
  void FinishDrain();
  // Returns true once a minute for each cluster and cause, so that a server that sends invalid data
  // does not flood the log.
  bool MayLog(const std::string& cluster, const std::string& cause);
  void LogLimited(const std::string& message, const std::string& cluster, const std::string& reason,
                  const std::string& error);
  template <typename Report>
  void PostFor(const std::string& cluster, Report report);

  Timers& timers_;
  ExecutorStreams& executors_;
  const Logger logger_;
  StepObserver* const observer_;
  Scheduler scheduler_;
  IncidentJournal& journal_;
  CommitGate gate_;
  ConnectionBoard connections_;
  DecisionLog decisions_;
  const OverflowPolicy overflow_policy_;
  const Duration max_queue_age_;
  const Duration breaker_cooldown_;
  Timers::TimerId timer_ = Timers::kNoTimer;
  std::map<std::pair<std::string, std::string>, MonoTime> limited_;  // cluster, cause
  std::uint64_t sweeper_errors_ = 0;
  std::optional<MonoTime> next_check_;  // earliest time of the next check by a sweep
  std::uint64_t invariant_violations_ = 0;

  std::atomic<bool> draining_{false};
  std::atomic<bool> breaker_open_{false};
  std::atomic<std::size_t> subscribed_{0};
  MonoTime drain_began_;
  Timers::TimerId drain_timer_ = Timers::kNoTimer;
  bool cancelled_ = false;
  std::function<void()> drained_;
  std::uint64_t drain_completed_ = 0;
  std::uint64_t drain_interrupted_ = 0;
};

}  // namespace runner::ingest
