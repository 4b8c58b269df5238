#include "executor/loop/executor_loop.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "common/base/uuid.h"
#include "common/observability/build_info.h"
#include "executor/core/time_budget.h"

namespace runner::executor {
namespace {

// Long enough for an orphan that an earlier sweep missed to be listed.
constexpr Duration kLastSweepAfter = std::chrono::seconds(5);
constexpr Duration kRetentionInterval = std::chrono::minutes(1);
constexpr Duration kRetentionAfterRun = std::chrono::seconds(2);

ExecutorIdentity IdentityOf(const ExecutorOptions& options, WallTime now) {
  return {options.executor_id,   UuidGenerator().Next(now), std::string(GetBuildInfo().version),
          options.slots,         options.sidecar,           options.kill_grace,
          options.ingest_address};
}

double Random01() {
  thread_local std::mt19937_64 engine(std::random_device{}());
  return std::uniform_real_distribution<>(0.0, 1.0)(engine);
}

}  // namespace

ExecutorLoop::ExecutorLoop(ExecutorOptions options, AgentOptions agent, IngestChannel& channel,
                           EventLoop& event_loop, const Logger& logger)
    : options_(std::move(options)),
      event_loop_(event_loop),
      logger_(logger.Named("executor")),
      retention_(agent.workspace_root, options_.retention, logger.Named("retention")),
      supervisor_(event_loop, std::move(agent), logger.Named("supervisor"), *this),
      executor_(IdentityOf(options_, event_loop.Now().wall), event_loop, channel, supervisor_,
                Random01, logger) {}

ExecutorLoop::~ExecutorLoop() {
  event_loop_.Cancel(start_timer_);
  event_loop_.Cancel(retention_timer_);
}

// --- start ------------------------------------------------------------------------------------

void ExecutorLoop::Start() {
  cleanup_.emplace(supervisor_.leftover_runs(), logger_, supervisor_.IsAlone(),
                   event_loop_.Now().mono, time_budget::Stop(options_.kill_grace));
  AwaitLeftoverRuns();
}

void ExecutorLoop::AwaitLeftoverRuns() {
  start_timer_ = EventLoop::kNoTimer;
  if (draining()) return;
  switch (cleanup_->Advance(event_loop_.Now().mono)) {
    case LeftoverCleanup::State::kWaiting:
      start_timer_ = event_loop_.After(LeftoverCleanup::kInterval, [this] { AwaitLeftoverRuns(); });
      return;
    case LeftoverCleanup::State::kClear:
      return TakeOver();
    case LeftoverCleanup::State::kStuck:
      supervisor_.Taint();
      return executor_.OnTainted("processes of an earlier executor cannot be ended");
  }
}

void ExecutorLoop::TakeOver() {
  auto recovered = supervisor_.Recover();
  if (!recovered.empty()) {
    logger_.Info("Results of an earlier executor found", {{"results", recovered.size()}});
  }
  executor_.Start(std::move(recovered));
  EnforceRetentionIn(Duration::zero());
  start_timer_ = event_loop_.After(kLastSweepAfter, [this] { SweepAgain(); });
}

void ExecutorLoop::SweepAgain() {
  start_timer_ = EventLoop::kNoTimer;
  const std::size_t killed = supervisor_.leftover_runs().KillOrphans();
  if (killed != 0) logger_.Warn("Orphans of an earlier executor killed", {{"processes", killed}});
}

// --- retention --------------------------------------------------------------------------------

void ExecutorLoop::OnRunFinished(const Lease& lease, const Outcome& outcome) {
  EnforceRetentionIn(kRetentionAfterRun);
  executor_.OnRunFinished(lease, outcome);
}

void ExecutorLoop::EnforceRetentionIn(Duration delay) {
  const RetentionLimits& limits = options_.retention;
  if (limits.max_age == Duration::zero() && limits.max_bytes == 0) return;
  const MonoTime due = event_loop_.Now().mono + delay;
  if (retention_timer_ != EventLoop::kNoTimer && next_retention_ <= due) return;
  event_loop_.Cancel(retention_timer_);
  next_retention_ = due;
  retention_timer_ = event_loop_.After(delay, [this] { EnforceRetention(); });
}

void ExecutorLoop::EnforceRetention() {
  retention_timer_ = EventLoop::kNoTimer;
  std::set<std::string> keep;
  for (const Lease& lease : executor_.admission().Running()) keep.insert(lease.incident_id);
  for (const auto& [lease, outcome] : executor_.admission().results_waiting())
    keep.insert(lease.incident_id);
  retention_.Enforce(event_loop_.Now().wall, std::move(keep));
  // Ten times within the maximum age, if there is one.
  const Duration max_age = options_.retention.max_age;
  EnforceRetentionIn(
      max_age == Duration::zero()
          ? kRetentionInterval
          : std::clamp<Duration>(max_age / 10, kRetentionAfterRun, kRetentionInterval));
}

}  // namespace runner::executor
