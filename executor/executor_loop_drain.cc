// The end of the process: signals, and causes of its own.

#include <utility>

#include "executor/executor_loop.h"

namespace runner::executor {
namespace {

// Everything that matters was acknowledged by then: ingest is only told that the stream ends.
constexpr Duration kGoodbyeBudget = std::chrono::milliseconds(50);

}  // namespace

void ExecutorLoop::MustEnd(int exit_code, const std::string& why) {
  // A drain that was asked for ends as one, unless something was left behind.
  if (exit_code_ == kExitTainted || (draining() && exit_code != kExitTainted)) return;
  exit_code_ = exit_code;
  logger_.Error("Executor must end", {{"error", why}});
  Drain("none");
}

void ExecutorLoop::OnDrain(Duration timeout, std::function<void()> done) {
  drain_timeout_ = timeout;
  drained_ = std::move(done);
}

void ExecutorLoop::OnSignal(const std::string& signal) {
  if (++signals_ == 1) return Drain(signal);
  if (interrupting_) supervisor_.KillAll();
  InterruptRuns();
}

void ExecutorLoop::Drain(const std::string& signal) {
  if (draining_.exchange(true)) return;
  drain_began_ = inbox_.Now().mono;
  logger_.Info("Shutting down gracefully", {{"signal", signal},
                                            {"in_flight_agents", supervisor_.active()},
                                            {"shutdown_timeout", drain_timeout_}});
  admission_.BeginDrain();
  v1::ExecutorMessage request;
  request.mutable_draining();
  link_.Send(std::move(request));
  drain_timer_ = inbox_.After(drain_timeout_, [this] { InterruptRuns(); });
  AdvanceDrain();
}

void ExecutorLoop::InterruptRuns() {
  if (!draining() || !drained_ || std::exchange(interrupting_, true)) return;
  StopAll(StopReason::kInterrupted);
  AdvanceDrain();
}

void ExecutorLoop::AdvanceDrain() {
  if (!draining() || !drained_ || !admission_.Running().empty()) return;
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
