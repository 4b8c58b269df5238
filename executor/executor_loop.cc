#include "executor/executor_loop.h"

#include <algorithm>
#include <utility>

#include "common/build_info.h"
#include "common/uuid.h"
#include "common/wire.h"

namespace runner::executor {
namespace {

constexpr Duration kContainmentBudget = std::chrono::seconds(5);
constexpr Duration kDeliveryBudget = std::chrono::seconds(2);
// Everything that matters was acknowledged by then: ingest is only told that the stream ends.
constexpr Duration kGoodbyeBudget = std::chrono::milliseconds(50);
constexpr Duration kEarlierRunsInterval = std::chrono::milliseconds(20);
constexpr Duration kRetentionInterval = std::chrono::minutes(1);
constexpr Duration kRetentionAfterRun = std::chrono::seconds(2);
constexpr int kExitTainted = 70;  // EX_SOFTWARE of sysexits.h
constexpr int kExitSuperseded = 1;

}  // namespace

ExecutorLoop::ExecutorLoop(ExecutorOptions options, AgentOptions agent, Inbox& inbox,
                           const Logger& logger)
    : options_(std::move(options)),
      boot_id_(UuidGenerator().Next(inbox.Now().wall)),
      inbox_(inbox),
      logger_(logger.Named("executor")),
      admission_(options_.slots),
      retention_(agent.workspace_root, options_.retention, logger.Named("retention")),
      supervisor_(inbox, std::move(agent), logger.Named("supervisor"), *this),
      link_(options_.ingest_address, inbox, *this, logger.Named("attach")) {}

ExecutorLoop::~ExecutorLoop() {
  inbox_.Cancel(start_timer_);
  inbox_.Cancel(retention_timer_);
  inbox_.Cancel(drain_timer_);
  inbox_.Cancel(delivery_timer_);
}

// --- start ----------------------------------------------------------------------------------

void ExecutorLoop::Start() {
  give_up_earlier_runs_ =
      inbox_.Now().mono + options_.kill_grace + kContainmentBudget + kDeliveryBudget;
  const std::size_t running = supervisor_.earlier_runs().StillRunning().size();
  if (running != 0) logger_.Info("Waiting for runs of an earlier executor", {{"runs", running}});
  AwaitEarlierRuns();
}

void ExecutorLoop::AwaitEarlierRuns() {
  start_timer_ = Inbox::kNoTimer;
  if (draining()) return;
  EarlierRuns& earlier = supervisor_.earlier_runs();
  const std::size_t running = earlier.StillRunning().size();
  const std::size_t killed = earlier.KillOrphans();
  if (killed != 0) logger_.Warn("Orphans of an earlier executor killed", {{"processes", killed}});
  const bool late = inbox_.Now().mono >= give_up_earlier_runs_;
  if ((running == 0 && killed == 0) || late) {
    if (late) {
      logger_.Error("Runs of an earlier executor do not end",
                    {{"workspaces", std::vector<std::string>(earlier.StillRunning().begin(),
                                                             earlier.StillRunning().end())}});
    }
    return TakeOver();
  }
  start_timer_ = inbox_.After(kEarlierRunsInterval, [this] { AwaitEarlierRuns(); });
}

void ExecutorLoop::TakeOver() {
  auto recovered = supervisor_.Recover();
  if (!recovered.empty()) {
    logger_.Info("Results of an earlier executor found", {{"results", recovered.size()}});
  }
  for (auto& [lease, outcome] : recovered) admission_.Restore(lease, std::move(outcome));
  link_.Start();
  EnforceRetentionIn(Duration::zero());
}

// --- retention ------------------------------------------------------------------------------

void ExecutorLoop::EnforceRetentionIn(Duration delay) {
  const RetentionLimits& limits = options_.retention;
  if (limits.max_age == Duration::zero() && limits.max_bytes == 0) return;
  const MonoTime due = inbox_.Now().mono + delay;
  if (retention_timer_ != Inbox::kNoTimer && next_retention_ <= due) return;
  inbox_.Cancel(retention_timer_);
  next_retention_ = due;
  retention_timer_ = inbox_.After(delay, [this] { EnforceRetention(); });
}

void ExecutorLoop::EnforceRetention() {
  retention_timer_ = Inbox::kNoTimer;
  std::set<std::string> keep;
  for (const Lease& lease : admission_.Running()) keep.insert(lease.incident_id);
  for (const auto& [lease, outcome] : admission_.results_waiting()) keep.insert(lease.incident_id);
  retention_.Enforce(inbox_.Now().wall, std::move(keep));
  // Ten times within the age, where there is one.
  const Duration max_age = options_.retention.max_age;
  EnforceRetentionIn(
      max_age == Duration::zero()
          ? kRetentionInterval
          : std::clamp<Duration>(max_age / 10, kRetentionAfterRun, kRetentionInterval));
}

// --- runs -----------------------------------------------------------------------------------

void ExecutorLoop::OnRunStarted(const Lease& lease, pid_t pid, WallTime started_at) {
  SendStarted(lease, pid, started_at);
}

void ExecutorLoop::SendStarted(const Lease& lease, pid_t pid, WallTime started_at) {
  v1::ExecutorMessage request;
  *request.mutable_started()->mutable_lease() = ToProto(lease);
  request.mutable_started()->set_pid(pid);
  *request.mutable_started()->mutable_started_at() = ToProto(started_at);
  link_.Send(std::move(request));
}

void ExecutorLoop::OnRunFinished(const Lease& lease, const Outcome& outcome) {
  if (draining()) {
    if (outcome.status == RunStatus::kInterrupted) {
      interrupted_.push_back(lease.incident_id);
    } else {
      ++completed_;
    }
  }
  admission_.OnFinished(lease, outcome);
  EnforceRetentionIn(kRetentionAfterRun);
  SendResult(lease, outcome);
  const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
    return entry.first.incident_id == lease.incident_id;
  });
  if (next != waiting_.end()) {
    const auto [waiting, incident] = *next;
    waiting_.erase(next);
    Run(waiting, incident);
  }
  if (supervisor_.tainted()) {
    MustEnd(kExitTainted, "a run could not be contained");
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

// --- the link -------------------------------------------------------------------------------

v1::Hello ExecutorLoop::MakeHello() {
  v1::Hello hello;
  hello.set_executor_id(options_.executor_id);
  hello.set_boot_id(boot_id_);
  hello.set_version(GetBuildInfo().version);
  hello.set_slots(options_.slots);
  hello.set_sidecar(options_.sidecar);
  *hello.mutable_stop_budget() =
      ToProto(options_.kill_grace + kContainmentBudget + kDeliveryBudget);
  for (const Lease& lease : admission_.Running()) *hello.add_running() = ToProto(lease);
  for (const auto& [lease, outcome] : admission_.results_waiting()) {
    *hello.add_results_waiting() = ToProto(lease);
  }
  return hello;
}

void ExecutorLoop::OnMessage(const v1::IngestMessage& message) {
  switch (message.message_case()) {
    case v1::IngestMessage::kWelcome:
      OnWelcome(message.welcome());
      break;
    case v1::IngestMessage::kOffer:
      OnOffer(message.offer());
      break;
    case v1::IngestMessage::kRecorded:
      if (const auto lease = FromProto(message.recorded().lease())) Forget(*lease);
      AdvanceDrain();
      break;
    case v1::IngestMessage::kCancel:
      OnCancel(message.cancel());
      AdvanceDrain();
      break;
    case v1::IngestMessage::kDrain:
      admission_.OnStreamDrain();
      break;
    default:
      break;
  }
}

void ExecutorLoop::OnWelcome(const v1::Welcome& welcome) {
  admission_.OnWelcome();  // before anything grants a credit: those of the stream before are void
  for (const v1::Decision& decision : welcome.decisions()) {
    const auto lease = FromProto(decision.lease());
    if (!lease || decision.verdict() != v1::Decision::VERDICT_DROP) continue;
    Stop(*lease, StopReason::kCancelled);
    Forget(*lease);
  }
  // What was said to the stream before may be lost.
  for (const RunInfo& run : supervisor_.Runs()) {
    if (run.pid != 0 && !run.outcome) SendStarted(run.lease, run.pid, run.started_at);
  }
  for (const auto& [lease, outcome] : admission_.results_waiting()) SendResult(lease, outcome);
  if (draining()) {
    v1::ExecutorMessage request;
    request.mutable_draining();
    link_.Send(std::move(request));
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

void ExecutorLoop::OnOffer(const v1::Offer& offer) {
  const auto lease = FromProto(offer.lease());
  const auto incident = FromProto(offer.incident());
  if (!lease) return;
  const auto verdict = incident ? admission_.OnOffer(*lease) : Admission::Verdict::kNoSlot;
  v1::ExecutorMessage answer;
  if (verdict == Admission::Verdict::kTake || verdict == Admission::Verdict::kHeld) {
    *answer.mutable_accepted()->mutable_lease() = ToProto(*lease);
  } else {
    *answer.mutable_rejected()->mutable_lease() = ToProto(*lease);
    answer.mutable_rejected()->set_reason(std::string(ToString(verdict)));
  }
  link_.Send(std::move(answer));
  if (verdict == Admission::Verdict::kTake) Run(*lease, *incident);
}

void ExecutorLoop::Run(const Lease& lease, const Incident& incident) {
  const auto running = admission_.Running();
  const bool occupied = std::any_of(running.begin(), running.end(), [&](const Lease& other) {
    return other.incident_id == lease.incident_id && other != lease && !waiting_.contains(other);
  });
  if (occupied) {
    waiting_.emplace(lease, incident);
  } else {
    supervisor_.Start(lease, incident);
  }
}

void ExecutorLoop::Stop(const Lease& lease, StopReason reason) {
  if (!waiting_.contains(lease)) {
    supervisor_.Stop(lease, reason);
  } else if (reason == StopReason::kInterrupted) {
    EndWaiting(lease, RunStatus::kInterrupted, "shutdown");
  } else {
    EndWaiting(lease, RunStatus::kCancelled, "cancelled");
  }
}

void ExecutorLoop::StopAll(StopReason reason) {
  for (const Lease& lease : admission_.Running()) Stop(lease, reason);
}

void ExecutorLoop::EndWaiting(const Lease& lease, RunStatus status, const std::string& reason) {
  waiting_.erase(lease);
  Outcome outcome;
  outcome.status = status;
  outcome.reason = reason;
  outcome.contained = true;  // it never ran
  outcome.started_at = outcome.finished_at = inbox_.Now().wall;
  admission_.OnFinished(lease, outcome);
  SendResult(lease, outcome);
  SendCredits();
}

void ExecutorLoop::OnCancel(const v1::Cancel& cancel) {
  const auto lease = FromProto(cancel.lease());
  if (!lease) return;
  if (admission_.IsRunning(*lease)) {
    Stop(*lease, cancel.reason() == "shutdown" ? StopReason::kInterrupted : StopReason::kCancelled);
  } else if (cancel.reason() != "shutdown") {
    Forget(*lease);  // nobody wants its result; at a shutdown ingest still does
  }
}

void ExecutorLoop::OnDetached(bool superseded) {
  admission_.OnStreamEnded();
  if (!superseded) return;
  superseded_ = true;
  StopAll(StopReason::kCancelled);
  MustEnd(kExitSuperseded,
          "another executor with the id " + options_.executor_id + " has attached");
}

void ExecutorLoop::Forget(const Lease& lease) {
  if (!admission_.results_waiting().contains(lease)) return;
  admission_.OnRecorded(lease);
  supervisor_.Recorded(lease);
}

void ExecutorLoop::SendResult(const Lease& lease, const Outcome& outcome) {
  v1::ExecutorMessage request;
  *request.mutable_result()->mutable_lease() = ToProto(lease);
  *request.mutable_result()->mutable_outcome() = ToProto(outcome);
  link_.Send(std::move(request));
}

void ExecutorLoop::SendCredits() {
  if (draining()) return;
  v1::ExecutorMessage request;
  request.mutable_credits()->set_total(admission_.credits());
  link_.Send(std::move(request));
}

// --- drain ----------------------------------------------------------------------------------

void ExecutorLoop::MustEnd(int exit_code, const std::string& why) {
  // A drain that was asked for ends as one, unless something was left behind.
  if (exit_code_ != 0 || (draining() && exit_code != kExitTainted)) return;
  exit_code_ = exit_code;
  logger_.Error("Executor must end", {{"error", why}});
  if (must_end_) must_end_();
}

void ExecutorLoop::Drain(const std::string& signal, Duration timeout, std::function<void()> done) {
  if (draining_.exchange(true)) {
    if (interrupting_) supervisor_.KillAll();
    InterruptRuns();
    return;
  }
  drain_began_ = inbox_.Now().mono;
  drained_ = std::move(done);
  logger_.Info("Shutting down gracefully", {{"signal", signal},
                                            {"in_flight_agents", supervisor_.active()},
                                            {"shutdown_timeout", timeout}});
  admission_.BeginDrain();
  v1::ExecutorMessage request;
  request.mutable_draining();
  link_.Send(std::move(request));
  drain_timer_ = inbox_.After(timeout, [this] { InterruptRuns(); });
  AdvanceDrain();
}

void ExecutorLoop::InterruptRuns() {
  if (!drained_ || std::exchange(interrupting_, true)) return;
  StopAll(StopReason::kInterrupted);
  AdvanceDrain();
}

void ExecutorLoop::AdvanceDrain() {
  if (!drained_ || !admission_.Running().empty()) return;
  inbox_.Cancel(drain_timer_);
  // A superseded executor has nobody to deliver to: its link stays down.
  if (admission_.results_waiting().empty() || superseded_) {
    FinishDrain();
  } else if (delivery_timer_ == Inbox::kNoTimer) {
    delivery_timer_ = inbox_.After(kDeliveryBudget, [this] { FinishDrain(); });
  }
}

void ExecutorLoop::FinishDrain() {
  inbox_.Cancel(delivery_timer_);
  if (auto done = std::exchange(drained_, nullptr)) link_.Close(kGoodbyeBudget, std::move(done));
}

void ExecutorLoop::LogDrained() const {
  if (!interrupted_.empty()) logger_.Warn("Agents interrupted", {{"incident_ids", interrupted_}});
  if (!admission_.results_waiting().empty()) {
    logger_.Warn("Results not delivered", {{"results", admission_.results_waiting().size()}});
  }
  logger_.Info("Shutdown complete", {{"duration", inbox_.Now().mono - drain_began_},
                                     {"agents_completed", completed_},
                                     {"agents_interrupted", interrupted_.size()}});
}

}  // namespace runner::executor
