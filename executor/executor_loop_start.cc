// What happens before the first run, and what becomes of the workspaces of the last ones.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "executor/executor_loop.h"

namespace runner::executor {
namespace {

// An orphan that was missed has had time to show itself.
constexpr Duration kLastSweepAfter = std::chrono::seconds(5);
constexpr Duration kRetentionInterval = std::chrono::minutes(1);

}  // namespace

void ExecutorLoop::Start() {
  takeover_.emplace(supervisor_.earlier_runs(), logger_, supervisor_.IsAlone(), inbox_.Now().mono,
                    StopBudget());
  AwaitEarlierRuns();
}

void ExecutorLoop::AwaitEarlierRuns() {
  start_timer_ = Inbox::kNoTimer;
  if (draining()) return;
  switch (takeover_->Advance(inbox_.Now().mono)) {
    case Takeover::State::kWaiting:
      start_timer_ = inbox_.After(Takeover::kInterval, [this] { AwaitEarlierRuns(); });
      return;
    case Takeover::State::kClear:
      return TakeOver();
    case Takeover::State::kStuck:
      supervisor_.Taint();
      return MustEnd(kExitTainted, "what an earlier executor has left does not end");
  }
}

void ExecutorLoop::TakeOver() {
  auto recovered = supervisor_.Recover();
  if (!recovered.empty()) {
    logger_.Info("Results of an earlier executor found", {{"results", recovered.size()}});
  }
  for (auto& [lease, outcome] : recovered) admission_.Restore(lease, std::move(outcome));
  link_.Start();
  EnforceRetentionIn(Duration::zero());
  start_timer_ = inbox_.After(kLastSweepAfter, [this] { SweepOnceMore(); });
}

void ExecutorLoop::SweepOnceMore() {
  start_timer_ = Inbox::kNoTimer;
  const std::size_t killed = supervisor_.earlier_runs().KillOrphans();
  if (killed != 0) logger_.Warn("Orphans of an earlier executor killed", {{"processes", killed}});
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

}  // namespace runner::executor
