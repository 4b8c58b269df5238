#include "executor/runs/leftover_cleanup.h"

#include <string>
#include <utility>
#include <vector>

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

// What a shim gets after SIGCONT. Too short for a long kill grace, but its agent has received
// SIGTERM by then.
constexpr Duration kShortGrace = 2s;
constexpr Duration kSweepLimit = 5s;
constexpr int kCleanLooks = 3;

}  // namespace

LeftoverCleanup::LeftoverCleanup(LeftoverRuns& earlier, Logger logger, bool alone, MonoTime now,
                                 Duration shim_timeout)
    : earlier_(earlier), logger_(std::move(logger)), alone_(alone), next_(now + shim_timeout) {
  const std::size_t running = earlier_.StillRunning().size();
  if (running == 0) return;
  logger_.Info("Waiting for runs of an earlier executor", {{"runs", running}});
  // A shim that its agent has stopped (SIGSTOP) can finish its run after SIGCONT.
  if (alone_) earlier_.Continue();
}

LeftoverCleanup::State LeftoverCleanup::Advance(MonoTime now) {
  const bool running = !earlier_.StillRunning().empty();
  const State shims = running && !given_up_ ? AwaitShims(now) : State::kClear;
  return shims == State::kClear ? Sweep(now) : shims;
}

LeftoverCleanup::State LeftoverCleanup::AwaitShims(MonoTime now) {
  if (now < next_) {
    if (phase_ == Phase::kKilled) earlier_.Kill();
    return State::kWaiting;
  }
  const auto& running = earlier_.StillRunning();
  logger_.Error("Runs of an earlier executor did not end in time",
                {{"workspaces", std::vector<std::string>(running.begin(), running.end())}});
  given_up_ = !alone_;
  if (given_up_) return State::kClear;
  switch (phase_) {
    case Phase::kPatient:
      earlier_.Continue();
      phase_ = Phase::kContinued;
      next_ = now + kShortGrace;
      return State::kWaiting;
    case Phase::kContinued:
      earlier_.Kill();
      phase_ = Phase::kKilled;
      next_ = now + kSweepLimit;
      return State::kWaiting;
    case Phase::kKilled:
      return State::kStuck;
  }
  return State::kStuck;
}

LeftoverCleanup::State LeftoverCleanup::Sweep(MonoTime now) {
  if (sweep_until_ == MonoTime::max()) sweep_until_ = now + kSweepLimit;
  const std::size_t killed = earlier_.KillOrphans();
  if (killed != 0) logger_.Warn("Orphans of an earlier executor killed", {{"processes", killed}});
  clean_ = killed == 0 ? clean_ + 1 : 0;
  if (clean_ >= kCleanLooks) return State::kClear;
  return now < sweep_until_ ? State::kWaiting : State::kStuck;
}

}  // namespace runner::executor
