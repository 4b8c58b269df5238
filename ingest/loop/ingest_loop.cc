#include "ingest/loop/ingest_loop.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>
#include <variant>

#include "ingest/core/invariants.h"
#include "ingest/loop/fact_log.h"

namespace runner::ingest {
namespace {

// Consecutive repeats of one error: the first kRepeatsLogged are logged, then every
// kRepeatsCounted-th.
constexpr int kRepeatsLogged = 10;
constexpr int kRepeatsCounted = 100;
constexpr int kMaxSweepFailures = 10;  // per sweep
constexpr Duration kCheckInterval = std::chrono::minutes(1);
// Upper bound of the wait for executors that were cancelled, whatever stop budget they announce.
constexpr Duration kMaxStopBudget = std::chrono::hours(1);

}  // namespace

IngestLoop::IngestLoop(const SchedulerOptions& options, Timers& timers, IncidentJournal& journal,
                       ExecutorStreams& executors, Scheduler::NewId new_id, Logger logger,
                       StepObserver* observer)
    : timers_(timers),
      executors_(executors),
      logger_(std::move(logger)),
      observer_(observer),
      scheduler_(options, std::move(new_id)),
      journal_(journal),
      gate_(journal),
      connections_(options.clusters.size(), timers.Now().mono),
      decisions_(options),
      overflow_policy_(options.overflow_policy),
      max_queue_age_(options.max_queue_age),
      breaker_cooldown_(options.breaker.cooldown) {
  journal_.OnCommit([this] {
    CarryOut(gate_.Release());
    AdvanceDrain();
  });
}

IngestLoop::~IngestLoop() {
  journal_.OnCommit(nullptr);
  timers_.Cancel(timer_);
  timers_.Cancel(drain_timer_);
}

// --- clusters -------------------------------------------------------------------------------

bool IngestLoop::SetClusters(const std::vector<ClusterOptions>& clusters) {
  if (!scheduler_.SetClusters(clusters)) return false;
  const MonoTime now = timers_.Now().mono;
  connections_.Grow(scheduler_.cluster_count(), now);
  // Reported here: later reports of the closed connection are dropped with its cluster name.
  for (ClusterIndex i = 0; i < scheduler_.cluster_count(); ++i) {
    if (!scheduler_.View(i).configured) connections_.OnRemoved(i, now);
  }
  subscribed_.store(connections_.subscribed(), std::memory_order_relaxed);
  return true;
}

// --- connections ----------------------------------------------------------------------------

template <typename Report>
void IngestLoop::PostFor(const std::string& cluster, Report report) {
  timers_.Post([this, cluster, report = std::move(report)]() mutable {
    if (const auto index = scheduler_.ClusterOf(cluster)) {
      report(*index, timers_.Now());
      subscribed_.store(connections_.subscribed(), std::memory_order_relaxed);
    }
  });
}

void IngestLoop::OnOpened(const std::string& cluster) {
  PostFor(cluster, [this](ClusterIndex index, const Instant& now) {
    connections_.OnOpened(index, now.mono);
  });
}

void IngestLoop::OnEvent(const std::string& cluster, DecodedEvent event, bool backfilled) {
  PostFor(cluster, [this, cluster, backfilled, event = std::move(event)](
                       ClusterIndex index, const Instant& now) mutable {
    connections_.OnEvent(index, backfilled, now.wall);
    if (auto* fault = std::get_if<FaultEvent>(&event)) {
      Step([&](Scheduler& scheduler, const Instant& at, Effects& effects) {
        using Origin = Scheduler::Origin;
        scheduler.OnEvent(index, std::move(*fault), at, effects,
                          backfilled ? Origin::kBackfill : Origin::kLive);
      });
    } else {
      const InvalidEvent& invalid = std::get<InvalidEvent>(event);
      scheduler_.OnInvalidEvent(index, invalid.reason, invalid.severity);
      LogLimited("Invalid event dropped", cluster, invalid.reason, invalid.detail);
    }
  });
}

void IngestLoop::OnSubscribed(const std::string& cluster, const Subscribed& subscription) {
  PostFor(cluster, [this, cluster, subscription](ClusterIndex index, const Instant& now) {
    const SubscriptionFacts facts{std::string(ToString(subscription.mode)),
                                  std::string(ToString(subscription.transport)),
                                  subscription.protocol_version, subscription.session_id};
    const Duration downtime = connections_.OnSubscribed(index, facts, now.mono);
    logger_.Info("SSE connection established", {{"cluster", cluster},
                                                {"downtime_duration", downtime},
                                                {"session_id", facts.session_id},
                                                {"mode", facts.mode},
                                                {"transport", facts.transport},
                                                {"protocol_version", facts.protocol_version}});
  });
}

void IngestLoop::OnFailed(const std::string& cluster, const ConnectionFailure& failure,
                          Duration retry_in, int attempt) {
  PostFor(cluster, [this, cluster, failure, retry_in, attempt](ClusterIndex index,
                                                               const Instant& now) {
    const std::string reason(ToString(failure.error));
    const int repeats = connections_.OnFailed(index, reason, failure.detail, retry_in, now.mono);
    // Bounds the log while a server is unreachable.
    if (repeats > kRepeatsLogged && repeats % kRepeatsCounted != 0) return;
    LogFields fields = {{"cluster", cluster},
                        {"error", failure.detail},
                        {"reason", reason},
                        {"retry_in", retry_in},
                        {"attempt_number", attempt}};
    if (repeats > kRepeatsLogged) fields.emplace_back("repeats", repeats);
    logger_.Warn("SSE connection failed, retrying", fields);
  });
}

void IngestLoop::OnClosed(const std::string& cluster) {
  PostFor(cluster, [this](ClusterIndex index, const Instant& now) {
    connections_.OnClosed(index, now.mono);
  });
}

void IngestLoop::OnWarning(const std::string& cluster, const McpWarning& warning) {
  PostFor(cluster, [this, cluster, warning](ClusterIndex, const Instant&) {
    LogLimited(warning.message, cluster, "warning", warning.detail);
  });
}

void IngestLoop::OnEntriesDropped(const std::string& cluster, std::size_t count) {
  PostFor(cluster, [this, count](ClusterIndex index, const Instant&) {
    connections_.OnEntriesDropped(index, count);
  });
}

bool IngestLoop::MayLog(const std::string& cluster, const std::string& cause) {
  const MonoTime now = timers_.Now().mono;
  const auto [entry, first] = limited_.try_emplace({cluster, cause}, now);
  if (!first && now - entry->second < std::chrono::minutes(1)) return false;
  entry->second = now;
  return true;
}

void IngestLoop::LogLimited(const std::string& message, const std::string& cluster,
                            const std::string& reason, const std::string& error) {
  if (!MayLog(cluster, message + reason)) return;
  logger_.Warn(message, {{"cluster", cluster}, {"reason", reason}, {"error", error}});
}

// --- effects --------------------------------------------------------------------------------

void IngestLoop::Restore() {
  const std::vector<std::string> unknown =
      Step([&](Scheduler& scheduler, const Instant& now, Effects& effects) {
        return scheduler.Restore(journal_.Restore(), now, effects);
      });
  for (const std::string& incident_id : unknown) {
    logger_.Warn("Restored incident of an unconfigured cluster ignored",
                 {{"incident_id", incident_id}});
  }
  OnTimer();  // expires incidents that exceeded max_queue_age during the restart
}

void IngestLoop::AfterStep(Effects effects) {
  if (observer_ != nullptr) observer_->AfterStep(effects);
  CarryOut(gate_.Pass(std::move(effects)));
  RearmTimer();
  AdvanceDrain();
}

void IngestLoop::CarryOut(const Effects& effects) {
  for (const Effect& effect : effects) {
    if (observer_ != nullptr) observer_->OnCarriedOut(effect);
    std::visit([this](const auto& one) { CarryOut(one); }, effect);
  }
}

void IngestLoop::CarryOut(const ToExecutor& to) { executors_.Send(to.stream, to.message); }

void IngestLoop::CarryOut(const CloseSuperseded& close) {
  executors_.CloseSuperseded(close.stream);
}

void IngestLoop::CarryOut(const CancelSilent& cancel) {
  logger_.Warn("Executor detached after missing keep-alives", {{"executor_id", cancel.executor_id},
                                                               {"silence", cancel.silence},
                                                               {"leases", cancel.leases}});
  executors_.CancelSilent(cancel.stream);
}

void IngestLoop::CarryOut(const Fact& fact) {
  decisions_.OnFact(fact);
  std::visit(FactLog{logger_, overflow_policy_, max_queue_age_, breaker_cooldown_}, fact);
  if (const auto* changed = std::get_if<BreakerChanged>(&fact)) {
    breaker_open_.store(changed->state == CircuitBreaker::State::kOpen, std::memory_order_relaxed);
  }
  if (!draining()) return;
  if (const auto* finished = std::get_if<IncidentFinished>(&fact)) {
    drain_completed_ += finished->ran && finished->reason != "attempts_exhausted" ? 1u : 0u;
  }
  if (const auto* requeued = std::get_if<IncidentRequeued>(&fact)) {
    drain_interrupted_ += requeued->reason == RequeueReason::kInterrupted ? 1u : 0u;
  }
}

void IngestLoop::RearmTimer() {
  timers_.Cancel(timer_);
  timer_ = Timers::kNoTimer;
  const auto deadline = scheduler_.NextDeadline();
  if (!deadline) return;
  timer_ = timers_.At(*deadline, [this] { OnTimer(); });
}

void IngestLoop::OnTimer() {
  if (scheduler_.BeginSweep(timers_.Now())) {
    RearmTimer();  // before the sweep, so that an exception cannot prevent the next one
    Sweep();
  }
  Step([](Scheduler& s, const Instant& now, Effects& effects) { s.OnTimer(now, effects); });
}

// An exception is logged and counted; it does not stop the process or the sweep. After
// kMaxSweepFailures the next sweep retries the rest, so that neither the loop nor the log is
// flooded.
void IngestLoop::Sweep() {
  bool more = true;
  for (int failures = 0; more && failures < kMaxSweepFailures;) {
    try {
      more = Step([](Scheduler& s, const Instant& now, Effects& effects) {
        return s.ExpireNext(now, effects);
      });
    } catch (const std::exception& error) {
      ++failures;
      ++sweeper_errors_;
      logger_.Error("Queue sweep failed", {{"error", error.what()}});
    }
  }
  const MonoTime now = timers_.Now().mono;
  if (next_check_ && now < *next_check_) return;  // CheckInvariants costs O(clusters)
  next_check_ = now + kCheckInterval;
  CheckInvariants();
}

void IngestLoop::CheckInvariants() {
  for (const BrokenInvariant& broken : BrokenInvariants(scheduler_)) {
    ++invariant_violations_;
    if (!MayLog(broken.cluster, "invariant " + broken.name)) continue;
    logger_.Error(
        "Invariant violated",
        {{"cluster", broken.cluster}, {"invariant", broken.name}, {"error", broken.detail}});
  }
}

// --- executors ------------------------------------------------------------------------------

namespace {

// Maps each message to a call of the scheduler. A new kind does not compile until it is handled.
struct MessageHandler {
  Scheduler& scheduler;
  StreamId stream;
  const Instant& now;
  Effects& effects;

  void operator()(const dispatch::Hello& hello) const {
    dispatch::Hello bounded = hello;
    bounded.stop_budget = std::clamp(hello.stop_budget, Duration::zero(), kMaxStopBudget);
    scheduler.OnHello(stream, bounded, now, effects);
  }
  void operator()(const dispatch::Credits& credits) const {
    scheduler.OnCredits(stream, credits.total, now, effects);
  }
  void operator()(const dispatch::Accepted& accepted) const {
    scheduler.OnAccepted(stream, accepted.lease, effects);
  }
  void operator()(const dispatch::Rejected& rejected) const {
    scheduler.OnRejected(stream, rejected.lease, rejected.reason, now, effects);
  }
  void operator()(const dispatch::Started& started) const {
    scheduler.OnStarted(stream, started.lease, now, effects);
  }
  void operator()(const dispatch::Result& result) const {
    scheduler.OnResult(stream, result.lease, result.outcome, now, effects);
  }
  void operator()(const dispatch::KeepAlive& keep_alive) const {
    scheduler.OnKeepAlive(stream, keep_alive.seq, now, effects);
  }
  void operator()(const dispatch::Draining&) const { scheduler.OnExecutorDraining(stream); }
};

}  // namespace

void IngestLoop::OnMessage(StreamId stream, const dispatch::ExecutorMessage& message) {
  Step([&](Scheduler& scheduler, const Instant& now, Effects& effects) {
    std::visit(MessageHandler{scheduler, stream, now, effects}, message);
  });
}

void IngestLoop::OnStreamClosed(StreamId stream) {
  Step([&](Scheduler& scheduler, const Instant& now, Effects& effects) {
    scheduler.OnStreamClosed(stream, now, effects);
  });
}

// --- operators ------------------------------------------------------------------------------

Scheduler::Cancelled IngestLoop::Cancel(const std::string& incident_id) {
  using Cancelled = Scheduler::Cancelled;
  const Cancelled cancelled = Step([&](Scheduler& s, const Instant& now, Effects& effects) {
    return s.Cancel(incident_id, now, effects);
  });
  if (cancelled == Cancelled::kEnded || cancelled == Cancelled::kStopping) {
    logger_.Info("Incident cancelled by an operator", {{"incident_id", incident_id}});
  }
  return cancelled;
}

Scheduler::Rerun IngestLoop::Rerun(const std::string& incident_id) {
  Scheduler::Rerun rerun = Step([&](Scheduler& s, const Instant& now, Effects& effects) {
    return s.RerunIncident(incident_id, now, effects);
  });
  if (rerun.result == Scheduler::Rerun::Result::kQueued) {
    logger_.Info("Incident rerun by an operator",
                 {{"incident_id", rerun.incident_id}, {"rerun_of", incident_id}});
  }
  return rerun;
}

CircuitBreaker::State IngestLoop::ResetBreaker() {
  const CircuitBreaker::State before = scheduler_.breaker().state();
  logger_.Info("Circuit breaker reset by an operator", {{"state", ToString(before)}});
  Step([](Scheduler& s, const Instant& now, Effects& effects) { s.ResetBreaker(now, effects); });
  return before;
}

// --- drain ----------------------------------------------------------------------------------

void IngestLoop::Drain(int signal, Duration timeout, std::function<void()> done) {
  if (draining_.exchange(true)) {
    CancelRunning();
    return;
  }
  drain_began_ = timers_.Now().mono;
  drained_ = std::move(done);
  logger_.Info("Shutting down gracefully", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"},
                                            {"in_flight_agents", scheduler_.SidecarLeases()},
                                            {"shutdown_timeout", timeout}});
  drain_timer_ = timers_.After(timeout, [this] { CancelRunning(); });
  Step([](Scheduler& s, const Instant&, Effects& effects) { s.BeginDrain(effects); });
}

void IngestLoop::AdvanceDrain() {
  // The last result counts once it is committed and its ResultAck is sent.
  if (drained_ && scheduler_.SidecarLeases() == 0 && gate_.empty()) FinishDrain();
}

void IngestLoop::CancelRunning() {
  if (!drained_ || std::exchange(cancelled_, true)) return;
  timers_.Cancel(drain_timer_);
  drain_timer_ = timers_.After(scheduler_.LargestStopBudget(), [this] { FinishDrain(); });
  Step([](Scheduler& s, const Instant&, Effects& effects) { s.CancelRunning(effects); });
}

void IngestLoop::FinishDrain() {
  timers_.Cancel(drain_timer_);
  if (const auto done = std::exchange(drained_, nullptr)) done();
}

void IngestLoop::LogDrained() const {
  logger_.Info("Shutdown complete", {{"duration", timers_.Now().mono - drain_began_},
                                     {"agents_completed", drain_completed_},
                                     {"agents_interrupted", drain_interrupted_}});
}

}  // namespace runner::ingest
