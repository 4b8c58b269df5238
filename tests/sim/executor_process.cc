#include "tests/sim/executor_process.h"

#include <utility>

#include "tests/sim/message.h"

namespace runner::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kShutdownTimeout = seconds(30);

}  // namespace

ExecutorProcess::ExecutorProcess(Environment& env, Network& network, RunModel& model,
                                 SimulatedWorkspace& workspace, ProcessId id,
                                 const Options& options, std::function<void()> exited)
    : env_(env),
      model_(model),
      workspace_(workspace),
      id_(id),
      options_(options),
      name_(options.executor_id + "#" + std::to_string(id)),
      loop_(env),
      runs_(env, model, id, options.runs, workspace, loop_, *this, *this),
      channel_(env, network, loop_, name_, *this),
      executor_(
          {options.executor_id, std::to_string(id), "sim", options.slots, options.sidecar,
           options.runs.kill_grace, "ingest"},
          loop_, channel_, runs_, [&env] { return env.random.Unit(); }, Logger()) {
  executor_.OnDrain(kShutdownTimeout, std::move(exited));
  AwaitLeftovers();
}

void ExecutorProcess::AwaitLeftovers() {
  if (executor_.draining()) return;
  if (workspace_.leftovers() != 0) {
    loop_.After(milliseconds(20), [this] { AwaitLeftovers(); });
    return;
  }
  executor_.Start({workspace_.spool().begin(), workspace_.spool().end()});
}

void ExecutorProcess::Signal() {
  loop_.RunOrDefer([this] {
    env_.Note(name_, [] { return std::string("receives a termination signal"); });
    ++signals_;
    if (!drain_began_) drain_began_ = env_.Now();
    executor_.OnSignal("SIGTERM");
  });
}

void ExecutorProcess::Freeze(Duration time) {
  if (frozen()) return;
  env_.Note(name_, [] { return std::string("is frozen"); });
  loop_.Freeze(time, [this] { env_.Note(name_, [] { return std::string("continues"); }); });
}

std::int64_t ExecutorProcess::OpenCredits() const {
  return static_cast<std::int64_t>(executor_.admission().credits()) - offers_;
}

void ExecutorProcess::OnRunFinished(const Lease& lease, const Outcome& outcome) {
  env_.transitions.Count("executor lease", "running", "result", ToString(outcome.status));
  executor_.OnRunFinished(lease, outcome);
}

// --- invariants -----------------------------------------------------------------------------

void ExecutorProcess::WatchDrain() {
  if (!drain_began_ && executor_.draining()) drain_began_ = env_.Now();
}

void ExecutorProcess::OnStop(const Lease& lease, executor::StopReason reason) {
  if (reason != executor::StopReason::kInterrupted) return;
  const bool due = signals_ > 1 || shut_down_.contains(lease) ||
                   (drain_began_ && env_.Now() >= *drain_began_ + kShutdownTimeout);
  env_.findings.Expect(due, Invariant::kDrainWaits,
                       [&] { return name_ + " interrupts " + TextOf(lease) + " too early"; });
}

void ExecutorProcess::OnSent(const UpMessage& message) {
  if (const auto* rejected = std::get_if<dispatch::Rejected>(&message)) {
    env_.transitions.Count("executor lease", "", "rejected");
    // Such an offer was made before and takes no credit.
    if (rejected->reason == dispatch::RejectReason::kEnded && std::exchange(counted_, false))
      --offers_;
  } else if (const auto* result = std::get_if<dispatch::Result>(&message)) {
    model_.CheckResultSent(workspace_, result->lease, result->outcome.status);
  } else if (const auto* accepted = std::get_if<dispatch::Accepted>(&message)) {
    env_.findings.Expect(Knows(accepted->lease), Invariant::kOneLease, [&] {
      return name_ + " has accepted " + TextOf(accepted->lease) + ", but does not hold it";
    });
  }
}

bool ExecutorProcess::Knows(const Lease& lease) const {
  const executor::Admission& admission = executor_.admission();
  return admission.IsRunning(lease) || admission.results_waiting().contains(lease);
}

std::string ExecutorProcess::State() const {
  const executor::Admission& admission = executor_.admission();
  std::string state = std::to_string(admission.credits()) + (admission.draining() ? "d" : "");
  for (const Lease& lease : admission.Running()) state += " " + TextOf(lease);
  for (const auto& [lease, outcome] : admission.results_waiting()) state += " =" + TextOf(lease);
  return state + " " + std::to_string(runs_.active()) + " " + std::to_string(executor_.waiting());
}

void ExecutorProcess::BeforeMessage(const DownMessage& message) {
  if (std::holds_alternative<dispatch::Welcome>(message)) offers_ = 0;
  const auto* cancel = std::get_if<dispatch::Cancel>(&message);
  if (cancel != nullptr && cancel->reason == dispatch::CancelReason::kShutdown)
    shut_down_.insert(cancel->lease);
  const auto* offer = std::get_if<dispatch::Offer>(&message);
  if (offer != nullptr && !Knows(offer->lease)) {
    ++offers_;
    counted_ = true;
    if (executor_.draining()) offer_while_draining_ = offer->lease;
  }
}

void ExecutorProcess::AfterMessage(const DownMessage& message) {
  counted_ = false;
  if (const auto offer = std::exchange(offer_while_draining_, std::nullopt)) {
    env_.findings.Expect(!Knows(*offer), Invariant::kNothingAfterDraining,
                         [&] { return name_ + " accepted " + TextOf(*offer) + " while draining"; });
  }
  if (!env_.Strikes(Fault::kRepeatMessage) || !executor_.attached()) return;
  // If the first Cancel ended the lease, there is a result; the second Cancel makes it stale.
  const auto* cancel = std::get_if<dispatch::Cancel>(&message);
  if (cancel != nullptr && cancel->reason != dispatch::CancelReason::kShutdown &&
      cancel->reason != dispatch::CancelReason::kCancelled &&
      !executor_.admission().IsRunning(cancel->lease)) {
    return;
  }
  const std::string before = State();
  channel_.Repeat(message);
  env_.findings.Expect(before == State(), Invariant::kRepeatChangesNothing, [&] {
    return name_ + ": " + TextOf(message) + " repeated: '" + before + "' became '" + State() + "'";
  });
}

}  // namespace runner::sim
