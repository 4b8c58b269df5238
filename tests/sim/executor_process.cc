#include "tests/sim/executor_process.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace runner::sim {
namespace {

using executor::Admission;
using executor::StopReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kWelcomeTimeout = seconds(10);
constexpr Duration kDeliveryBudget = seconds(2);
constexpr Duration kGoodbyeBudget = milliseconds(50);
constexpr Duration kOwnDrainTimeout = seconds(30);

}  // namespace

ExecutorProcess::ExecutorProcess(Environment& env, Network& network, RunTruth& truth, ProcessId id,
                                 Options options, std::function<void()> exited)
    : env_(env),
      network_(network),
      truth_(truth),
      id_(id),
      options_(std::move(options)),
      name_(options_.executor_id + "#" + std::to_string(id)),
      exited_(std::move(exited)),
      admission_(options_.slots),
      runs_(env, truth, id, options_.runs, *this) {
  Dial();
}

ExecutorProcess::~ExecutorProcess() {
  env_.events.DropAllOf(this);
  network_.LeaveByExecutor(stream_);
}

std::int64_t ExecutorProcess::OpenCredits() const {
  return static_cast<std::int64_t>(admission_.credits()) - offers_;
}

// --- the process ----------------------------------------------------------------------------

void ExecutorProcess::Freeze(Duration time) {
  if (std::exchange(frozen_, true)) return;
  env_.Tell(name_, [] { return std::string("is frozen"); });
  thaw_timer_ = env_.events.After(this, time, [this] { Thaw(); });
}

void ExecutorProcess::Thaw() {
  if (!std::exchange(frozen_, false)) return;
  env_.Tell(name_, [] { return std::string("goes on"); });
  env_.events.Cancel(thaw_timer_);
  for (; !deferred_.empty(); deferred_.pop_front()) deferred_.front()();
}

void ExecutorProcess::RunOrDefer(std::function<void()> action) {
  if (!frozen_) return action();
  deferred_.push_back(std::move(action));
}

void ExecutorProcess::Arm(EventQueue::Id& timer, Duration delay, std::function<void()> action) {
  timer = env_.events.After(this, delay, [this, &timer, action = std::move(action)]() mutable {
    if (!frozen_) return action();
    // Due, and not earlier than what came before the process goes on.
    const Duration rest = thaw_timer_.first - env_.Now();
    Arm(timer, rest, std::move(action));
  });
}

// --- the link -------------------------------------------------------------------------------

void ExecutorProcess::Dial() {
  ingest::HelloInfo hello;
  hello.executor_id = options_.executor_id;
  hello.boot_id = std::to_string(id_);
  hello.slots = options_.slots;
  hello.sidecar = options_.sidecar;
  hello.stop_budget = options_.runs.kill_grace + kContainmentBudget + kDeliveryBudget;
  hello.running = admission_.Running();
  for (const auto& [lease, outcome] : admission_.results_waiting()) {
    hello.results_waiting.push_back(lease);
  }
  stream_ = network_.Dial(*this);
  env_.transitions.Count("link", "detached", "dialling", "dial");
  env_.Tell(name_,
            [&] { return "dials " + std::to_string(stream_) + ": " + TextOf(UpMessage(hello)); });
  network_.SendUp(stream_, std::move(hello));
  Arm(welcome_timer_, kWelcomeTimeout, [this] {
    const StreamId silent = stream_;
    network_.LeaveByExecutor(silent);
    Detached(silent, false);
  });
}

void ExecutorProcess::Send(UpMessage message) {
  if (!attached_ || closing_) return;
  env_.Tell(name_, [&] { return "sends " + TextOf(message); });
  network_.SendUp(stream_, std::move(message));
}

void ExecutorProcess::Beat() {
  Send(sim::Beat{++beats_});
  Arm(beat_timer_, options_.beat_interval, [this] { Beat(); });
}

void ExecutorProcess::Hear(StreamId stream, const DownMessage& message) {
  if (stream != stream_) return;
  env_.Tell(name_, [&] { return "hears " + TextOf(message); });
  const bool welcome = std::holds_alternative<ingest::SendWelcome>(message);
  if (welcome && !attached_) {
    attached_ = true;
    env_.events.Cancel(welcome_timer_);
    env_.transitions.Count("link", "dialling", "attached", "Welcome");
    backoff_.Reset();
    Arm(beat_timer_, options_.beat_interval, [this] { Beat(); });
  }
  if (!attached_) return;
  std::visit([this](const auto& one) { Handle(one); }, message);
  if (env_.Strikes(Fault::kRepeatMessage)) CheckRepeat(message);
}

void ExecutorProcess::Detached(StreamId stream, bool superseded) {
  if (stream != stream_) return;
  env_.Tell(name_, [&] { return std::string(superseded ? "is superseded" : "is detached"); });
  env_.events.Cancel(welcome_timer_);
  env_.events.Cancel(beat_timer_);
  stream_ = ingest::kNoStream;
  const bool was_attached = std::exchange(attached_, false);
  env_.transitions.Count("link", was_attached ? "attached" : "dialling", "detached",
                         superseded ? "superseded" : "ended");
  closing_ = closing_ || superseded;
  const Duration delay = backoff_.Next(env_.random.Unit());
  if (!closing_) Arm(retry_timer_, delay, [this] { Dial(); });
  if (was_attached) {
    admission_.OnStreamEnded();
    if (superseded) {
      superseded_ = true;
      StopAll(StopReason::kCancelled);
      MustEnd();
    }
  }
  if (finished_) Exit();
}

void ExecutorProcess::Close() {
  closing_ = true;
  env_.events.Cancel(retry_timer_);
  if (stream_ == ingest::kNoStream) {
    Exit();
    return;
  }
  if (attached_) network_.CloseByExecutor(stream_);
  Arm(close_timer_, attached_ ? kGoodbyeBudget : Duration::zero(), [this] {
    const StreamId left = stream_;
    network_.LeaveByExecutor(left);
    if (left != ingest::kNoStream) Detached(left, false);
  });
}

// --- runs -----------------------------------------------------------------------------------

void ExecutorProcess::RunFinished(const Lease& lease, const Outcome& outcome) {
  env_.transitions.Count("executor lease", "running", "result", ToString(outcome.status));
  admission_.OnFinished(lease, outcome);
  SendResult(lease, outcome);
  const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
    return entry.first.incident_id == lease.incident_id;
  });
  if (next != waiting_.end()) {
    const auto [waiting, cluster] = *next;
    waiting_.erase(next);
    if (!Run(waiting, cluster)) EndUnstarted(waiting, RunStatus::kInterrupted, kShortage);
  }
  if (runs_.tainted()) {
    MustEnd();
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

void ExecutorProcess::SendResult(const Lease& lease, const Outcome& outcome) {
  truth_.CheckResultSent(id_, lease, outcome.status);
  Send(Result{lease, outcome});
}

void ExecutorProcess::SendCredits() {
  if (!draining_) Send(Credits{admission_.credits()});
}

// --- what ingest says -----------------------------------------------------------------------

void ExecutorProcess::Handle(const ingest::SendWelcome& welcome) {
  admission_.OnWelcome();
  offers_ = 0;
  for (const auto& [lease, keep] : welcome.decisions) {
    if (keep) continue;
    Stop(lease, StopReason::kCancelled);
    Forget(lease, "drop");
  }
  for (const Lease& lease : runs_.Started()) Send(Started{lease});
  for (const auto& [lease, outcome] : admission_.results_waiting()) SendResult(lease, outcome);
  if (draining_) {
    Send(Draining{});
  } else {
    SendCredits();
  }
  AdvanceDrain();
}

void ExecutorProcess::Handle(const ingest::SendOffer& offer) {
  const Lease& lease = offer.lease;
  const Admission::Verdict verdict = admission_.OnOffer(lease);
  if (verdict != Admission::Verdict::kHeld && verdict != Admission::Verdict::kEnded) ++offers_;
  if (verdict == Admission::Verdict::kTake && !Run(lease, offer.incident.event.cluster)) {
    admission_.OnShortage(lease);
    env_.transitions.Count("executor lease", "", "rejected", kShortage);
    Send(Rejected{lease, std::string(kShortage)});
    SendCredits();
    return;
  }
  if (verdict == Admission::Verdict::kTake || verdict == Admission::Verdict::kHeld) {
    Send(Accepted{lease});
  } else {
    env_.transitions.Count("executor lease", "", "rejected", ToString(verdict));
    Send(Rejected{lease, std::string(ToString(verdict))});
  }
  if (verdict != Admission::Verdict::kTake) return;
  env_.findings.Expect(!draining_, Invariant::kNothingAfterDraining,
                       [&] { return name_ + " took " + TextOf(lease) + " while it drains"; });
  env_.transitions.Count("executor lease", "", "running", "Offer");
}

void ExecutorProcess::Handle(const ingest::SendRecorded& recorded) {
  Forget(recorded.lease, "Recorded");
  AdvanceDrain();
}

void ExecutorProcess::Handle(const ingest::SendCancel& cancel) {
  if (admission_.IsRunning(cancel.lease)) {
    Stop(cancel.lease,
         cancel.reason == "shutdown" ? StopReason::kInterrupted : StopReason::kCancelled);
  } else if (cancel.reason != "shutdown" && cancel.reason != "cancelled") {
    Forget(cancel.lease, "Cancel");
  }
  AdvanceDrain();
}

void ExecutorProcess::Handle(const ingest::SendDrain&) { admission_.OnStreamDrain(); }

bool ExecutorProcess::Run(const Lease& lease, const std::string& cluster) {
  const auto running = admission_.Running();
  const bool occupied = std::any_of(running.begin(), running.end(), [&](const Lease& other) {
    return other.incident_id == lease.incident_id && other != lease && !waiting_.contains(other);
  });
  if (!occupied) return runs_.Start(lease, cluster);
  waiting_.emplace(lease, cluster);
  return true;
}

void ExecutorProcess::Stop(const Lease& lease, StopReason reason) {
  if (waiting_.contains(lease)) {
    EndWaiting(lease, reason);
  } else {
    runs_.Stop(lease, reason);
  }
}

void ExecutorProcess::StopAll(StopReason reason) {
  for (const Lease& lease : admission_.Running()) Stop(lease, reason);
}

void ExecutorProcess::EndWaiting(const Lease& lease, StopReason reason) {
  waiting_.erase(lease);
  const bool interrupted = reason == StopReason::kInterrupted;
  EndUnstarted(lease, interrupted ? RunStatus::kInterrupted : RunStatus::kCancelled, "");
}

void ExecutorProcess::EndUnstarted(const Lease& lease, RunStatus status, std::string_view reason) {
  Outcome outcome;
  outcome.status = status;
  outcome.reason = reason;
  outcome.contained = true;
  env_.transitions.Count("executor lease", "waiting", "result", ToString(outcome.status));
  truth_.NeverBegan(id_, lease, outcome.status);
  admission_.OnFinished(lease, outcome);
  SendResult(lease, outcome);
  SendCredits();
}

void ExecutorProcess::Forget(const Lease& lease, std::string_view cause) {
  if (!admission_.results_waiting().contains(lease)) return;
  env_.transitions.Count("executor lease", "result", "", cause);
  admission_.OnRecorded(lease);
}

// --- drain ----------------------------------------------------------------------------------

void ExecutorProcess::MustEnd() {
  if (must_end_ || (draining_ && !runs_.tainted())) return;
  must_end_ = true;
  Drain(kOwnDrainTimeout);
}

void ExecutorProcess::Drain(Duration timeout) {
  if (frozen_) return;
  if (std::exchange(draining_, true)) {
    if (interrupting_) runs_.KillAll();
    InterruptRuns();
    return;
  }
  env_.Tell(name_, [] { return std::string("drains"); });
  admission_.BeginDrain();
  Send(Draining{});
  Arm(drain_timer_, timeout, [this] { InterruptRuns(); });
  AdvanceDrain();
}

void ExecutorProcess::InterruptRuns() {
  if (finished_ || std::exchange(interrupting_, true)) return;
  StopAll(StopReason::kInterrupted);
  AdvanceDrain();
}

void ExecutorProcess::AdvanceDrain() {
  if (!draining_ || finished_ || !admission_.Running().empty()) return;
  env_.events.Cancel(drain_timer_);
  if (admission_.results_waiting().empty() || superseded_) {
    FinishDrain();
  } else if (!std::exchange(delivering_, true)) {
    Arm(delivery_timer_, kDeliveryBudget, [this] { FinishDrain(); });
  }
}

void ExecutorProcess::FinishDrain() {
  env_.events.Cancel(delivery_timer_);
  if (!std::exchange(finished_, true)) Close();
}

void ExecutorProcess::Exit() {
  if (const auto exited = std::exchange(exited_, nullptr)) exited();
}

// --- invariants -----------------------------------------------------------------------------

std::string ExecutorProcess::State() const {
  std::string state = std::to_string(admission_.credits()) + (admission_.draining() ? "d" : "");
  for (const Lease& lease : admission_.Running()) state += " " + TextOf(lease);
  for (const auto& [lease, outcome] : admission_.results_waiting()) state += " =" + TextOf(lease);
  return state + " " + std::to_string(runs_.active()) + " " + std::to_string(waiting_.size());
}

void ExecutorProcess::CheckRepeat(const DownMessage& message) {
  if (!attached_ || finished_) return;
  // A lease that the first Cancel has ended has a result; the second Cancel says that nobody wants
  // it.
  const auto* cancel = std::get_if<ingest::SendCancel>(&message);
  if (cancel != nullptr && cancel->reason != "shutdown" && cancel->reason != "cancelled" &&
      !admission_.IsRunning(cancel->lease)) {
    return;
  }
  const std::string before = State();
  std::visit([this](const auto& one) { Handle(one); }, message);
  env_.findings.Expect(before == State(), Invariant::kRepeatChangesNothing, [&] {
    return name_ + ": " + TextOf(message) + " again: '" + before + "' became '" + State() + "'";
  });
}

}  // namespace runner::sim
