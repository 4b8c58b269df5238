#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/inbox.h"
#include "common/logging.h"
#include "executor/attach/ingest_link.h"
#include "executor/core/admission.h"
#include "executor/executor_options.h"
#include "executor/supervisor/supervisor.h"
#include "executor/supervisor/takeover.h"
#include "executor/workspace/retention_thread.h"

namespace runner::executor {

// The one loop of the executor: takes offers as slots allow, has them run, reports what came of
// them, and drains.
//
// Belongs to the thread of the inbox, except `draining` and `attached`.
class ExecutorLoop final : public RunListener, public IngestLinkListener {
 public:
  ExecutorLoop(ExecutorOptions options, AgentOptions agent, LinkSecurity security, Inbox& inbox,
               const Logger& logger);
  ~ExecutorLoop();

  // Waits for what an earlier executor has left running, takes its results over, and attaches.
  void Start();
  // How long a drain waits for what runs, and what runs, once, when it is over.
  void OnDrain(Duration timeout, std::function<void()> done);
  // A signal to end. With the first this takes nothing more, waits for what runs at most `timeout`,
  // then interrupts it, and delivers every result; each further one skips to the interrupting, and
  // after that to the killing.
  void OnSignal(const std::string& signal);

  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  bool attached() const { return link_.attached(); }
  const ExecutorOptions& options() const { return options_; }
  const Admission& admission() const { return admission_; }
  const Supervisor& supervisor() const { return supervisor_; }
  Supervisor& supervisor() { return supervisor_; }
  // 0, or why the process had to end by itself: 70 when a run could not be contained.
  int exit_code() const { return exit_code_; }
  // The last log line of a drained process.
  void LogDrained() const;

 private:
  static constexpr Duration kContainmentBudget = std::chrono::seconds(5);
  static constexpr Duration kDeliveryBudget = std::chrono::seconds(2);
  static constexpr Duration kRetentionAfterRun = std::chrono::seconds(2);
  // Results of earlier streams and executors are sent while fewer are unacknowledged: each may have
  // a report of 64 KiB, and a spool 10,000.
  static constexpr std::size_t kMaxUnacknowledged = 64;
  static constexpr int kExitTainted = 70;  // EX_SOFTWARE of sysexits.h

  void OnRunStarted(const Lease& lease, pid_t pid, WallTime started_at) override;
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;
  v1::Hello MakeHello() override;
  void OnMessage(const v1::IngestMessage& message) override;
  void OnDetached(bool superseded) override;
  std::optional<std::string> WhyNotAttach(const v1::Welcome& welcome) const override;

  void AwaitEarlierRuns();
  void TakeOver();
  void SweepOnceMore();
  void EnforceRetention();
  void EnforceRetentionIn(Duration delay);
  void OnWelcome(const v1::Welcome& welcome);
  Duration StopBudget() const;
  // How long runs may go on after ingest was last heard of. A sidecar ends with its ingest:
  // nothing.
  std::optional<Duration> FenceOf(const v1::Welcome& welcome) const;
  void MoveFence();
  void OnOffer(const v1::Offer& offer);
  void OnCancel(const v1::Cancel& cancel);
  // False: the executor is short of resources, and there is no run.
  bool Run(const Lease& lease, const Incident& incident);
  // Ends a lease that was taken and never ran.
  void EndUnstarted(const Lease& lease, RunStatus status, const std::string& reason);
  void EndWaiting(const Lease& lease, RunStatus status, const std::string& reason);
  void Stop(const Lease& lease, StopReason reason);
  void StopAll(StopReason reason);
  void Forget(const Lease& lease);
  void SendStarted(const Lease& lease, pid_t pid, WallTime started_at);
  void SendResult(const Lease& lease, const Outcome& outcome);
  // Sends results that wait while fewer than kMaxUnacknowledged are on their way.
  void SendWaitingResults();
  void SendCredits();
  void MustEnd(int exit_code, const std::string& why);
  void Drain(const std::string& signal);
  void InterruptRuns();
  void AdvanceDrain();
  void FinishDrain();

  const ExecutorOptions options_;
  const std::string boot_id_;
  Inbox& inbox_;
  const Logger logger_;
  Admission admission_;
  // Taken, but an earlier attempt of the same incident is still being stopped: one workspace has
  // one run at a time.
  std::map<Lease, Incident> waiting_;
  RetentionThread retention_;
  Supervisor supervisor_;
  IngestLink link_;
  std::optional<Duration> fence_;  // as the last Welcome has it
  int exit_code_ = 0;
  bool superseded_ = false;
  std::set<Lease> unacknowledged_;         // whose results were sent on this stream
  std::optional<Lease> last_result_sent_;  // on this stream, by SendWaitingResults

  Inbox::TimerId retention_timer_ = Inbox::kNoTimer;
  MonoTime next_retention_;
  Inbox::TimerId start_timer_ = Inbox::kNoTimer;
  std::optional<Takeover> takeover_;

  Duration drain_timeout_{};
  std::atomic<bool> draining_{false};
  int signals_ = 0;
  MonoTime drain_began_;
  bool interrupting_ = false;
  Inbox::TimerId drain_timer_ = Inbox::kNoTimer;
  Inbox::TimerId delivery_timer_ = Inbox::kNoTimer;
  std::function<void()> drained_;
  std::vector<std::string> interrupted_;
  std::size_t completed_ = 0;
};

}  // namespace runner::executor
