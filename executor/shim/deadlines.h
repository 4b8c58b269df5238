#pragma once

#include <algorithm>
#include <cstdint>

#include "executor/shim/clocks.h"
#include "executor/shim/record.h"

namespace runner::executor {

// When the shim must signal its agent, and when it must be done. A plain decision over the
// monotonic clock in nanoseconds, which it is given: SIGTERM at the time limit, at the fence or at
// the first stop, SIGKILL when the grace after that is over, and kContainment later the end of all
// that is still waited for. Whichever cause comes first is the one that is remembered.
class Deadlines {
 public:
  enum class Action { kNone, kTerminate, kKill };
  static constexpr std::int64_t kNever = INT64_MAX;
  // From SIGKILL to the result, with the last output.
  static constexpr std::int64_t kContainment = 5 * kSecondNs;

  // `timeout` 0 means no time limit, `fence` (a time) 0 that there is none.
  Deadlines(std::int64_t now, std::int64_t timeout, std::int64_t grace,
            std::int64_t lease_deadline = 0)
      : grace_(grace),
        timeout_(timeout == 0 ? kNever : now + timeout),
        lease_deadline_(lease_deadline == 0 ? kNever : lease_deadline) {}

  // True when the agent is to be terminated now; false when it is being stopped already.
  bool Stop(ShimStop cause, std::int64_t now) {
    if (phase_ != Phase::kRunning) return false;
    stopped_ = cause;
    BeginGrace(now);
    return true;
  }
  // Ends a grace that has begun.
  void SkipGrace(std::int64_t now) {
    if (phase_ == Phase::kStopping) kill_ = now;
  }
  // The executor is heard of by those that it runs for: the fence is at this time from now on.
  void ExtendLease(std::int64_t lease_deadline) { lease_deadline_ = lease_deadline; }
  // What is due at `now`. Each action is told once.
  Action Due(std::int64_t now) {
    if (now < next()) return Action::kNone;
    if (phase_ == Phase::kRunning) {
      timed_out_ = now >= timeout_;
      if (!timed_out_) stopped_ = ShimStop::kLeaseDeadline;
      BeginGrace(now);
      return Action::kTerminate;
    }
    phase_ = Phase::kKilled;
    MustEnd(now);
    return Action::kKill;
  }
  // The agent has ended, or is as good as dead: what is left has kContainment, or what remains of
  // it.
  void MustEnd(std::int64_t now) { end_ = std::min(end_, now + kContainment); }

  // When Due is to be asked next; kNever when nothing is pending.
  std::int64_t next() const {
    if (phase_ == Phase::kRunning) return std::min(timeout_, lease_deadline_);
    return phase_ == Phase::kStopping ? kill_ : kNever;
  }
  // Until when an agent that was killed is waited for, then the rest of the run, then its output:
  // each leaves something to the next. kNever before MustEnd.
  std::int64_t agent_until() const { return Before(2 * kSecondNs); }
  std::int64_t contain_until() const { return Before(kSecondNs / 2); }
  std::int64_t drain_until() const { return end_; }
  bool timed_out() const { return timed_out_; }
  ShimStop stopped() const { return stopped_; }

 private:
  enum class Phase { kRunning, kStopping, kKilled };

  void BeginGrace(std::int64_t now) {
    phase_ = Phase::kStopping;
    kill_ = now + grace_;
  }
  std::int64_t Before(std::int64_t margin) const { return end_ == kNever ? kNever : end_ - margin; }

  const std::int64_t grace_;
  const std::int64_t timeout_;
  std::int64_t lease_deadline_;
  std::int64_t kill_ = kNever;
  std::int64_t end_ = kNever;
  Phase phase_ = Phase::kRunning;
  bool timed_out_ = false;
  ShimStop stopped_ = ShimStop::kNone;
};

}  // namespace runner::executor
