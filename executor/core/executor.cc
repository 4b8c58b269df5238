#include "executor/core/executor.h"

#include <algorithm>
#include <variant>

#include "executor/core/time_budget.h"

namespace runner::executor {
namespace {

using dispatch::CancelReason;
using dispatch::RejectReason;

// The reason of a run that was stopped, or not started, at the lease deadline.
constexpr std::string_view kLeaseDeadline = "lease_deadline";

}  // namespace

Executor::Executor(ExecutorIdentity identity, Timers& timers, IngestChannel& channel,
                   RunSupervisor& supervisor, std::function<double()> random, const Logger& logger)
    : identity_(std::move(identity)),
      timers_(timers),
      logger_(logger.Named("executor")),
      supervisor_(supervisor),
      admission_(identity_.slots),
      session_(identity_.ingest_address, channel, timers, *this, std::move(random),
               logger.Named("attach")) {}

Executor::~Executor() {
  timers_.Cancel(drain_timer_);
  timers_.Cancel(delivery_timer_);
}

void Executor::Start(std::vector<std::pair<Lease, Outcome>> results) {
  for (auto& [lease, outcome] : results) admission_.Restore(lease, std::move(outcome));
  session_.Start();
}

// --- runs -----------------------------------------------------------------------------------

void Executor::OnRunStarted(const StartedRun& run) {
  session_.Send(dispatch::Started{run.lease, run.pid, run.started_at});
}

void Executor::OnRunFinished(const Lease& lease, const Outcome& outcome) {
  if (draining()) {
    if (outcome.status == RunStatus::kInterrupted) {
      interrupted_.push_back(lease.incident_id);
    } else {
      ++completed_;
    }
  }
  admission_.OnFinished(lease, outcome);
  SendResult(lease, outcome);
  const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
    return entry.first.incident_id == lease.incident_id;
  });
  if (next != waiting_.end()) {
    const auto [waiting, incident] = *next;
    waiting_.erase(next);
    if (LeasesHaveEnded()) {
      EndUnstarted(waiting, RunStatus::kInterrupted, kLeaseDeadline);
    } else if (!Run(waiting, incident)) {
      EndUnstarted(waiting, RunStatus::kInterrupted, kShortage);
    }
  }
  if (supervisor_.tainted()) {
    MustEnd(kExitTainted, "a run could not be contained");
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

bool Executor::Run(const Lease& lease, const Incident& incident) {
  const auto running = admission_.Running();
  const bool occupied = std::any_of(running.begin(), running.end(), [&](const Lease& other) {
    return other.incident_id == lease.incident_id && other != lease && !waiting_.contains(other);
  });
  if (!occupied) return supervisor_.Start(lease, incident);
  waiting_.emplace(lease, incident);
  return true;
}

void Executor::Stop(const Lease& lease, StopReason reason) {
  if (waiting_.erase(lease) == 0) {
    supervisor_.Stop(lease, reason);
  } else if (reason == StopReason::kInterrupted) {
    EndUnstarted(lease, RunStatus::kInterrupted, "shutdown");
  } else {
    EndUnstarted(lease, RunStatus::kCancelled, "cancelled");
  }
}

void Executor::StopAll(StopReason reason) {
  for (const Lease& lease : admission_.Running()) Stop(lease, reason);
}

void Executor::EndUnstarted(const Lease& lease, RunStatus status, std::string_view reason) {
  Outcome outcome;
  outcome.status = status;
  outcome.reason = reason;
  outcome.contained = true;  // the agent never ran
  outcome.started_at = outcome.finished_at = timers_.Now().wall;
  admission_.OnFinished(lease, outcome);
  SendResult(lease, outcome);
  SendCredits();
}

// --- messages to ingest -----------------------------------------------------------------------

dispatch::Hello Executor::MakeHello() {
  dispatch::Hello hello;
  hello.executor_id = identity_.executor_id;
  hello.boot_id = identity_.boot_id;
  hello.version = identity_.version;
  hello.slots = identity_.slots;
  hello.sidecar = identity_.sidecar;
  hello.stop_budget = time_budget::Stop(identity_.kill_grace);
  hello.running = admission_.Running();
  for (const auto& [lease, outcome] : admission_.results_waiting()) {
    hello.results_waiting.push_back(lease);
  }
  return hello;
}

void Executor::SendResult(const Lease& lease, const Outcome& outcome) {
  session_.Send(dispatch::Result{lease, outcome});
  unacknowledged_.insert(lease);
}

void Executor::SendWaitingResults() {
  const std::map<Lease, Outcome>& results = admission_.results_waiting();
  auto next = last_result_sent_ ? results.upper_bound(*last_result_sent_) : results.begin();
  for (; next != results.end() && unacknowledged_.size() < kMaxUnacknowledged; ++next) {
    last_result_sent_ = next->first;
    if (!unacknowledged_.contains(next->first)) SendResult(next->first, next->second);
  }
}

void Executor::SendCredits() {
  if (!draining()) session_.Send(dispatch::Credits{admission_.credits()});
}

// --- messages from ingest ---------------------------------------------------------------------

void Executor::OnMessage(const dispatch::IngestMessage& message) {
  std::visit([this](const auto& one) { On(one); }, message);
}

std::optional<Duration> Executor::DeadlineAfter(const dispatch::Welcome& welcome) const {
  if (identity_.sidecar) return std::nullopt;
  return time_budget::LeaseDeadline(welcome.lease_ttl, identity_.kill_grace);
}

// When a lease expires, ingest gives its incident to another executor. By then no process of the
// run may exist here, even if this process was stopped meanwhile.
std::optional<std::string> Executor::WhyNotAttach(const dispatch::Welcome& welcome) const {
  using std::chrono::seconds;
  const std::optional<Duration> deadline = DeadlineAfter(welcome);
  const Duration needed = time_budget::kKeepAlivesWithinLease * welcome.keep_alive_interval;
  if (!deadline || *deadline >= needed) return std::nullopt;
  const auto least = std::chrono::ceil<seconds>(time_budget::Stop(identity_.kill_grace) +
                                                time_budget::kClockMargin + needed);
  return "--lease-ttl of ingest: too short for an executor that is not a sidecar; expected at "
         "least " +
         std::to_string(least.count()) + " s with this --agent-kill-grace";
}

bool Executor::LeasesHaveEnded() const {
  return deadline_after_ && timers_.Now().mono >= session_.confirmed_at() + *deadline_after_;
}

void Executor::ExtendLeases() {
  if (deadline_after_) supervisor_.ExtendLeases(session_.confirmed_at() + *deadline_after_);
}

void Executor::On(const dispatch::Welcome& welcome) {
  deadline_after_ = DeadlineAfter(welcome);
  ExtendLeases();
  // before any message grants a credit: those of the previous stream are void
  admission_.OnWelcome();
  last_result_sent_.reset();
  unacknowledged_.clear();
  for (const auto& [lease, keep] : welcome.decisions) {
    if (keep) continue;
    Stop(lease, StopReason::kCancelled);
    Forget(lease);
  }
  // Messages on the previous stream may be lost.
  for (const StartedRun& run : supervisor_.Started()) OnRunStarted(run);
  SendWaitingResults();
  if (draining()) {
    session_.Send(dispatch::Draining{});
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

void Executor::On(const dispatch::Offer& offer) {
  const Lease& lease = offer.lease;
  const Admission::Verdict verdict = admission_.OnOffer(lease);
  // If this process was stopped while the offer waited, ingest may have leased the incident to
  // another executor.
  const bool late = LeasesHaveEnded();
  if (verdict == Admission::Verdict::kTake && (late || !Run(lease, offer.incident))) {
    admission_.OnNotStarted(lease);
    session_.Send(dispatch::Rejected{lease, late ? RejectReason::kLate : RejectReason::kShortage});
    SendCredits();
  } else if (verdict == Admission::Verdict::kTake || verdict == Admission::Verdict::kHeld) {
    session_.Send(dispatch::Accepted{lease});
  } else {
    session_.Send(dispatch::Rejected{lease, RejectReasonOf(verdict)});
  }
}

void Executor::On(const dispatch::ResultAck& ack) {
  Forget(ack.lease);
  SendWaitingResults();
  AdvanceDrain();
}

void Executor::On(const dispatch::Cancel& cancel) {
  if (admission_.IsRunning(cancel.lease)) {
    Stop(cancel.lease, cancel.reason == CancelReason::kShutdown ? StopReason::kInterrupted
                                                                : StopReason::kCancelled);
  } else if (cancel.reason != CancelReason::kShutdown &&
             cancel.reason != CancelReason::kCancelled) {
    // Ingest expects no result, unless it drains or an operator has cancelled the incident.
    Forget(cancel.lease);
  }
  SendWaitingResults();
  AdvanceDrain();
}

void Executor::Forget(const Lease& lease) {
  if (!admission_.results_waiting().contains(lease)) return;
  admission_.OnResultAck(lease);
  supervisor_.ForgetResult(lease);
  unacknowledged_.erase(lease);
}

void Executor::OnDetached(bool superseded) {
  admission_.OnStreamEnded();
  if (!superseded) return;
  superseded_ = true;
  StopAll(StopReason::kCancelled);
  MustEnd(kExitSuperseded, "--executor-id: another executor with the id \"" +
                               identity_.executor_id + "\" has attached; expected a unique id");
}

// --- drain ------------------------------------------------------------------------------------

void Executor::MustEnd(int exit_code, const std::string& why) {
  // A drain already in progress keeps its exit code, unless the executor becomes tainted.
  if (exit_code_ == kExitTainted || (draining() && exit_code != kExitTainted)) return;
  exit_code_ = exit_code;
  logger_.Error("Shutting down after an error", {{"error", why}});
  Drain("none");
}

void Executor::OnDrain(Duration timeout, std::function<void()> done) {
  drain_timeout_ = timeout;
  drained_ = std::move(done);
}

void Executor::OnSignal(const std::string& signal) {
  if (++signals_ == 1) return Drain(signal);
  if (interrupting_) supervisor_.KillAll();
  InterruptRuns();
}

void Executor::Drain(const std::string& signal) {
  if (draining_.exchange(true)) return;
  drain_began_ = timers_.Now().mono;
  logger_.Info("Shutting down gracefully", {{"signal", signal},
                                            {"in_flight_agents", supervisor_.active()},
                                            {"shutdown_timeout", drain_timeout_}});
  admission_.BeginDrain();
  session_.Send(dispatch::Draining{});
  drain_timer_ = timers_.After(drain_timeout_, [this] { InterruptRuns(); });
  AdvanceDrain();
}

void Executor::InterruptRuns() {
  if (!draining() || !drained_ || std::exchange(interrupting_, true)) return;
  StopAll(StopReason::kInterrupted);
  AdvanceDrain();
}

void Executor::AdvanceDrain() {
  if (!draining() || !drained_ || !admission_.Running().empty()) return;
  timers_.Cancel(drain_timer_);
  // A superseded executor cannot deliver results: its session stays down.
  if (admission_.results_waiting().empty() || superseded_) {
    FinishDrain();
  } else if (delivery_timer_ == Timers::kNoTimer) {
    delivery_timer_ = timers_.After(time_budget::kDelivery, [this] { FinishDrain(); });
  }
}

void Executor::FinishDrain() {
  timers_.Cancel(delivery_timer_);
  if (auto done = std::exchange(drained_, nullptr)) {
    session_.Close(time_budget::kStreamClose, std::move(done));
  }
}

void Executor::LogDrained() const {
  if (!interrupted_.empty()) logger_.Warn("Agents interrupted", {{"incident_ids", interrupted_}});
  if (!admission_.results_waiting().empty()) {
    logger_.Warn("Results not delivered", {{"results", admission_.results_waiting().size()}});
  }
  logger_.Info("Shutdown complete", {{"duration", timers_.Now().mono - drain_began_},
                                     {"agents_completed", completed_},
                                     {"agents_interrupted", interrupted_.size()}});
}

}  // namespace runner::executor
