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

// What an executor is to ingest. Fixed for the life of the process.
struct ExecutorIdentity {
  std::string executor_id;
  std::string boot_id;  // new with every start of the process
  std::string version;
  std::uint32_t slots = 5;
  bool sidecar = true;
  Duration kill_grace = std::chrono::seconds(5);
  std::string ingest_address;  // for the log
};

// What an executor decides: which offers it takes, what it tells ingest, when runs are stopped, and
// how the process ends. Touches the world only through what it is given, so that the simulator runs
// it as the product does.
//
// Belongs to the loop thread, except `draining` and `attached`.
class Executor final : public RunListener, private IngestSessionListener {
 public:
  static constexpr int kExitTainted = 70;  // EX_SOFTWARE of sysexits.h
  static constexpr int kExitSuperseded = 1;

  // `random` is uniform in [0, 1). What is referred to must outlive this.
  Executor(ExecutorIdentity identity, Timers& timers, IngestChannel& channel,
           RunSupervisor& supervisor, std::function<double()> random, const Logger& logger);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Takes over the results that an earlier executor has left, and attaches.
  void Start(std::vector<std::pair<Lease, Outcome>> results);
  // How long a drain waits for what runs, and what runs, once, when it is over. Before Start.
  void OnDrain(Duration timeout, std::function<void()> done);
  // A signal to end. With the first this takes nothing more, waits for what runs, then interrupts
  // it, and delivers every result; each further one skips to the interrupting, and after that to
  // the killing.
  void OnSignal(const std::string& signal);
  // What an earlier executor has left cannot be contained: this process ends.
  void OnTainted(const std::string& why) { MustEnd(kExitTainted, why); }

  void OnRunStarted(const StartedRun& run) override;
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;

  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  bool attached() const { return session_.attached(); }
  const ExecutorIdentity& identity() const { return identity_; }
  const Admission& admission() const { return admission_; }
  // Leases that were taken and wait until an earlier attempt of the same incident has ended.
  std::size_t waiting() const { return waiting_.size(); }
  // 0, or why the process had to end by itself.
  int exit_code() const { return exit_code_; }
  // The last log line of a drained process.
  void LogDrained() const;

 private:
  // Results of earlier streams and executors are sent while fewer are unacknowledged: each may have
  // a report of 64 KiB, and a spool 10,000.
  static constexpr std::size_t kMaxUnacknowledged = 64;

  // One for each kind: a kind that is added does not compile until it is heard here.
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

  // How long runs may go on after ingest was last heard of. A sidecar ends with its ingest:
  // nothing.
  std::optional<Duration> DeadlineAfter(const dispatch::Welcome& welcome) const;
  // Whether the runs were stopped since ingest did not answer: until it does, nothing is begun.
  bool LeasesHaveEnded() const;
  void ExtendLeases();
  // False: the executor is short of resources, and there is no run.
  bool Run(const Lease& lease, const Incident& incident);
  // Ends a lease that was taken and never ran.
  void EndUnstarted(const Lease& lease, RunStatus status, std::string_view reason);
  void Stop(const Lease& lease, StopReason reason);
  void StopAll(StopReason reason);
  void Forget(const Lease& lease);
  void SendResult(const Lease& lease, const Outcome& outcome);
  // Sends results that wait while fewer than kMaxUnacknowledged are on their way.
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
  // Taken, but an earlier attempt of the same incident is still being stopped: one workspace has
  // one run at a time.
  std::map<Lease, Incident> waiting_;
  IngestSession session_;
  std::optional<Duration> deadline_after_;  // as the last Welcome has it
  int exit_code_ = 0;
  bool superseded_ = false;
  std::set<Lease> unacknowledged_;         // whose results were sent on this stream
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
