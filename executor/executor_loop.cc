#include "executor/executor_loop.h"

#include <algorithm>
#include <utility>

#include "common/build_info.h"
#include "common/uuid.h"
#include "common/wire.h"

namespace runner::executor {
namespace {

// What may pass between a beat and its answer, and between two clocks, without harm to the fence.
constexpr Duration kFenceMargin = std::chrono::seconds(3);
constexpr int kBeatsWithinFence = 3;
constexpr int kExitSuperseded = 1;

}  // namespace

ExecutorLoop::ExecutorLoop(ExecutorOptions options, AgentOptions agent, LinkSecurity security,
                           Inbox& inbox, const Logger& logger)
    : options_(std::move(options)),
      boot_id_(UuidGenerator().Next(inbox.Now().wall)),
      inbox_(inbox),
      logger_(logger.Named("executor")),
      admission_(options_.slots),
      retention_(agent.workspace_root, options_.retention, logger.Named("retention")),
      supervisor_(inbox, std::move(agent), logger.Named("supervisor"), *this),
      link_(options_.ingest_address, security, inbox, *this, logger.Named("attach")) {}

ExecutorLoop::~ExecutorLoop() {
  inbox_.Cancel(start_timer_);
  inbox_.Cancel(retention_timer_);
  inbox_.Cancel(drain_timer_);
  inbox_.Cancel(delivery_timer_);
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
    if (!Run(waiting, incident)) {
      EndUnstarted(waiting, RunStatus::kInterrupted, std::string(kShortage));
    }
  }
  if (supervisor_.tainted()) {
    MustEnd(kExitTainted, "a run could not be contained");
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

// --- the link -------------------------------------------------------------------------------

Duration ExecutorLoop::StopBudget() const {
  return options_.kill_grace + kContainmentBudget + kDeliveryBudget;
}

v1::Hello ExecutorLoop::MakeHello() {
  v1::Hello hello;
  hello.set_executor_id(options_.executor_id);
  hello.set_boot_id(boot_id_);
  hello.set_version(GetBuildInfo().version);
  hello.set_slots(options_.slots);
  hello.set_sidecar(options_.sidecar);
  *hello.mutable_stop_budget() = ToProto(StopBudget());
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
      SendWaitingResults();
      AdvanceDrain();
      break;
    case v1::IngestMessage::kCancel:
      OnCancel(message.cancel());
      SendWaitingResults();
      AdvanceDrain();
      break;
    case v1::IngestMessage::kDrain:
      admission_.OnStreamDrain();
      break;
    case v1::IngestMessage::kBeatAck:
      MoveFence();
      break;
    default:
      break;
  }
}

std::optional<Duration> ExecutorLoop::FenceOf(const v1::Welcome& welcome) const {
  const auto lease_ttl = FromProto(welcome.lease_ttl());
  if (options_.sidecar || !lease_ttl) return std::nullopt;
  return *lease_ttl - StopBudget() - kFenceMargin;
}

// Ingest gives what it has not heard of for the life of a lease to another executor: by then
// nothing of it may run here, also when this process is stopped.
std::optional<std::string> ExecutorLoop::WhyNotAttach(const v1::Welcome& welcome) const {
  using std::chrono::seconds;
  const std::optional<Duration> fence = FenceOf(welcome);
  const Duration beats =
      kBeatsWithinFence * FromProto(welcome.beat_interval()).value_or(Duration::zero());
  if (!fence || *fence >= beats) return std::nullopt;
  const auto least = std::chrono::ceil<seconds>(StopBudget() + kFenceMargin + beats);
  return "--lease-ttl of ingest is too short for an executor that is not its sidecar: with this "
         "--agent-kill-grace it is to be at least " +
         std::to_string(least.count()) + " s";
}

void ExecutorLoop::MoveFence() {
  if (fence_) supervisor_.MoveFence(link_.confirmed_at() + *fence_);
}

void ExecutorLoop::OnWelcome(const v1::Welcome& welcome) {
  fence_ = FenceOf(welcome);
  MoveFence();
  admission_.OnWelcome();  // before anything grants a credit: those of the stream before are void
  last_result_sent_.reset();
  unacknowledged_.clear();
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
  SendWaitingResults();
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
  if (verdict == Admission::Verdict::kTake && !Run(*lease, *incident)) {
    admission_.OnShortage(*lease);
    *answer.mutable_rejected()->mutable_lease() = ToProto(*lease);
    answer.mutable_rejected()->set_reason(std::string(kShortage));
    link_.Send(std::move(answer));
    SendCredits();
    return;
  }
  if (verdict == Admission::Verdict::kTake || verdict == Admission::Verdict::kHeld) {
    *answer.mutable_accepted()->mutable_lease() = ToProto(*lease);
  } else {
    *answer.mutable_rejected()->mutable_lease() = ToProto(*lease);
    answer.mutable_rejected()->set_reason(std::string(ToString(verdict)));
  }
  link_.Send(std::move(answer));
}

bool ExecutorLoop::Run(const Lease& lease, const Incident& incident) {
  const auto running = admission_.Running();
  const bool occupied = std::any_of(running.begin(), running.end(), [&](const Lease& other) {
    return other.incident_id == lease.incident_id && other != lease && !waiting_.contains(other);
  });
  if (!occupied) return supervisor_.Start(lease, incident);
  waiting_.emplace(lease, incident);
  return true;
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
  EndUnstarted(lease, status, reason);
}

void ExecutorLoop::EndUnstarted(const Lease& lease, RunStatus status, const std::string& reason) {
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
  } else if (cancel.reason() != "shutdown" && cancel.reason() != "cancelled") {
    // Nobody wants its result. At a shutdown, or when an operator has cancelled it, ingest does.
    Forget(*lease);
  }
}

void ExecutorLoop::OnDetached(bool superseded) {
  admission_.OnStreamEnded();
  if (!superseded) return;
  superseded_ = true;
  StopAll(StopReason::kCancelled);
  MustEnd(kExitSuperseded,
          "another executor with the id " + options_.executor_id +
              " has attached; give each executor an id of its own (--executor-id)");
}

void ExecutorLoop::Forget(const Lease& lease) {
  if (!admission_.results_waiting().contains(lease)) return;
  admission_.OnRecorded(lease);
  supervisor_.Recorded(lease);
  unacknowledged_.erase(lease);
}

void ExecutorLoop::SendResult(const Lease& lease, const Outcome& outcome) {
  v1::ExecutorMessage request;
  *request.mutable_result()->mutable_lease() = ToProto(lease);
  *request.mutable_result()->mutable_outcome() = ToProto(outcome);
  link_.Send(std::move(request));
  unacknowledged_.insert(lease);
}

void ExecutorLoop::SendWaitingResults() {
  const std::map<Lease, Outcome>& results = admission_.results_waiting();
  auto next = last_result_sent_ ? results.upper_bound(*last_result_sent_) : results.begin();
  for (; next != results.end() && unacknowledged_.size() < kMaxUnacknowledged; ++next) {
    last_result_sent_ = next->first;
    if (!unacknowledged_.contains(next->first)) SendResult(next->first, next->second);
  }
}

void ExecutorLoop::SendCredits() {
  if (draining()) return;
  v1::ExecutorMessage request;
  request.mutable_credits()->set_total(admission_.credits());
  link_.Send(std::move(request));
}

}  // namespace runner::executor
