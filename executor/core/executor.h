#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/domain/dispatch.h"
#include "common/loop/timers.h"
#include "common/observability/logger.h"
#include "executor/core/admission.h"
#include "executor/core/ingest_channel.h"
#include "executor/core/ingest_session.h"
#include "executor/core/run_supervisor.h"

namespace runner::executor {

// How an executor identifies itself to ingest. Fixed for the life of the process.
struct ExecutorIdentity {
  std::string executor_id;
  std::string boot_id;  // new at every start of the process
  std::string version;
  std::uint32_t slots = 5;
  bool sidecar = true;
  Duration kill_grace = std::chrono::seconds(5);
  std::string ingest_address;  // for the log
};

// The decisions of an executor: which offers it takes, which messages it sends to ingest, when it
// stops runs, and how it drains. Does I/O only through the interfaces that it is given, so that the
// simulator runs the same code.
//
// Belongs to the loop thread, except `draining` and `attached`.
class Executor final : public RunListener, private IngestSessionListener {
 public:
  static constexpr int kExitTainted = 70;  // EX_SOFTWARE of sysexits.h
  static constexpr int kExitSuperseded = 1;

  // `random` returns numbers uniform in [0, 1). All references must outlive this.
  Executor(ExecutorIdentity identity, Timers& timers, IngestChannel& channel,
           RunSupervisor& supervisor, std::function<double()> random, const Logger& logger);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Adds the results that an earlier executor left, and starts to attach.
  void Start(std::vector<std::pair<Lease, Outcome>> results);
  // `timeout` bounds how long a drain waits for runs; `done` is called once at the end of the
  // drain. Call before Start.
  void OnDrain(Duration timeout, std::function<void()> done);
  // A termination signal. The first starts the drain: no more offers, wait for the runs, then
  // interrupt them, and deliver every result. The second skips to the interruption, the third kills
  // the runs.
  void OnSignal(const std::string& signal);
  // Processes that an earlier executor left cannot be contained: this process drains and exits.
  void OnTainted(const std::string& why) { MustEnd(kExitTainted, why); }

  void OnRunStarted(const StartedRun& run) override;
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;

  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  bool attached() const { return session_.attached(); }
  const ExecutorIdentity& identity() const { return identity_; }
  const Admission& admission() const { return admission_; }
  // Leases that were taken and wait until an earlier attempt of the same incident has ended.
  std::size_t waiting() const { return waiting_.size(); }
  // 0, or the exit code with which the process must exit on its own decision.
  int exit_code() const { return exit_code_; }
  // Logs the last line of a drained process.
  void LogDrained() const;

 private:
  // Bound on the results of earlier streams and executors that are sent and not acknowledged: each
  // may have a report of 64 KiB, and a spool 10,000 results.
  static constexpr std::size_t kMaxUnacknowledged = 64;

  // One overload for each kind: a new kind does not compile without one.
  void On(const dispatch::Welcome& welcome);
  void On(const dispatch::Offer& offer);
  void On(const dispatch::KeepAliveAck&) { ExtendLeases(); }
  void On(const dispatch::ResultAck& ack);
  void On(const dispatch::Cancel& cancel);
  void On(const dispatch::Drain&) { admission_.OnStreamDrain(); }

  dispatch::Hello MakeHello() override;
  std::optional<std::string> WhyNotAttach(const dispatch::Welcome& welcome) const override;
  void OnMessage(const dispatch::IngestMessage& message) override;
  void OnDetached(bool superseded) override;

  // The time from the last confirmed contact to the lease deadline. Nothing for a sidecar, which
  // ends with its ingest.
  std::optional<Duration> DeadlineAfter(const dispatch::Welcome& welcome) const;
  // True if the lease deadline has passed: nothing is started until ingest responds again.
  bool LeasesHaveEnded() const;
  void ExtendLeases();
  // Returns false if the executor is short of resources; then there is no run.
  bool Run(const Lease& lease, const Incident& incident);
  // Ends a lease that was taken and whose run never started.
  void EndUnstarted(const Lease& lease, RunStatus status, std::string_view reason);
  void Stop(const Lease& lease, StopReason reason);
  void StopAll(StopReason reason);
  void Forget(const Lease& lease);
  void SendResult(const Lease& lease, const Outcome& outcome);
  // Sends waiting results while fewer than kMaxUnacknowledged are not acknowledged.
  void SendWaitingResults();
  void SendCredits();
  void MustEnd(int exit_code, const std::string& why);
  void Drain(const std::string& signal);
  void InterruptRuns();
  void AdvanceDrain();
  void FinishDrain();

  const ExecutorIdentity identity_;
  Timers& timers_;
  const Logger logger_;
  RunSupervisor& supervisor_;
  Admission admission_;
  // Taken, but an earlier attempt of the same incident is still being stopped: a workspace has one
  // run at a time.
  std::map<Lease, Incident> waiting_;
  IngestSession session_;
  std::optional<Duration> deadline_after_;  // from the last Welcome
  int exit_code_ = 0;
  bool superseded_ = false;
  std::set<Lease> unacknowledged_;         // results sent on this stream
  std::optional<Lease> last_result_sent_;  // on this stream, by SendWaitingResults

  Duration drain_timeout_{};
  std::atomic<bool> draining_{false};
  int signals_ = 0;
  MonoTime drain_began_;
  bool interrupting_ = false;
  Timers::TimerId drain_timer_ = Timers::kNoTimer;
  Timers::TimerId delivery_timer_ = Timers::kNoTimer;
  std::function<void()> drained_;
  std::vector<std::string> interrupted_;
  std::size_t completed_ = 0;
};

}  // namespace runner::executor
