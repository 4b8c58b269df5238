#include "executor/core/run_state.h"

#include <utility>

namespace runner::executor {

void RunState::OnStartFailed(StartFailure failure, int error, MonoTime now) {
  start_failed_ = true;
  start_failure_ = failure;
  start_errno_ = error;
  Sweep(now);
}

void RunState::OnStarted() {
  if (phase_ == Phase::kStarting) phase_ = Phase::kRunning;
}

bool RunState::OnStop(StopReason reason) {
  const bool has_shim = phase_ != Phase::kSweeping && phase_ != Phase::kFinished;
  if (stop_ || !has_shim) return false;
  stop_ = reason;
  phase_ = Phase::kStopping;
  return true;
}

bool RunState::OnKill() {
  const bool has_shim = phase_ != Phase::kSweeping && phase_ != Phase::kFinished;
  return has_shim && !std::exchange(kill_sent_, true);
}

bool RunState::OnShimEnded(bool clean, const std::optional<ShimRecord>& record, MonoTime now) {
  record_ = record;
  if (clean && record_ && record_->contained) return true;
  Sweep(now);
  return false;
}

RunEnd RunState::OnFinished(bool contained, const Instant& now) {
  phase_ = Phase::kFinished;
  sweep_until_.reset();
  RunEnd end;
  end.record = record_;
  end.started = !start_failed_;
  end.start_failure = start_failure_;
  end.start_errno = start_errno_;
  end.stop_requested = stop_;
  end.contained = contained;
  end.orphans_killed = orphans_killed_;
  end.started_at = began_.wall;
  end.finished_at = now.wall;
  end.duration = now.mono - began_.mono;
  return end;
}

void RunState::Sweep(MonoTime now) {
  phase_ = Phase::kSweeping;
  sweep_until_ = now + kSweepLimit;
}

std::string_view ToString(RunState::Phase phase) {
  switch (phase) {
    case RunState::Phase::kStarting:
      return "starting";
    case RunState::Phase::kRunning:
      return "running";
    case RunState::Phase::kStopping:
    case RunState::Phase::kSweeping:
      return "stopping";
    case RunState::Phase::kFinished:
      return "finished";
  }
  return "";
}

}  // namespace runner::executor
