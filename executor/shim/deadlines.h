#pragma once

#include <cstdint>

#include "executor/core/shim_record.h"

namespace runner::executor {

// When the shim must signal its agent. A plain decision over the monotonic clock in nanoseconds,
// which it is given: SIGTERM at the time limit or at the first stop, SIGKILL when the grace after
// that is over. Whichever cause comes first is the one that is remembered.
class Deadlines {
 public:
  enum class Action { kNone, kTerminate, kKill };
  static constexpr std::int64_t kNever = INT64_MAX;

  // `timeout` 0 means no time limit.
  Deadlines(std::int64_t now, std::int64_t timeout, std::int64_t grace)
      : grace_(grace), next_(timeout == 0 ? kNever : now + timeout) {}

  // True when the agent is to be terminated now; false when it is being stopped already.
  bool Stop(ShimStop cause, std::int64_t now) {
    if (phase_ != Phase::kRunning) return false;
    stopped_ = cause;
    BeginGrace(now);
    return true;
  }
  // Ends a grace that has begun.
  void Hurry(std::int64_t now) {
    if (phase_ == Phase::kStopping) next_ = now;
  }
  // What is due at `now`. Each action is told once.
  Action Due(std::int64_t now) {
    if (now < next_) return Action::kNone;
    if (phase_ == Phase::kRunning) {
      timed_out_ = true;
      BeginGrace(now);
      return Action::kTerminate;
    }
    phase_ = Phase::kKilled;
    next_ = kNever;
    return Action::kKill;
  }

  // When Due is to be asked next; kNever when nothing is pending.
  std::int64_t next() const { return next_; }
  bool timed_out() const { return timed_out_; }
  ShimStop stopped() const { return stopped_; }

 private:
  enum class Phase { kRunning, kStopping, kKilled };

  void BeginGrace(std::int64_t now) {
    phase_ = Phase::kStopping;
    next_ = now + grace_;
  }

  const std::int64_t grace_;
  std::int64_t next_;
  Phase phase_ = Phase::kRunning;
  bool timed_out_ = false;
  ShimStop stopped_ = ShimStop::kNone;
};

}  // namespace runner::executor
