#pragma once

#include <algorithm>
#include <cstdint>

#include "executor/shim/clocks.h"
#include "executor/shim/record.h"

namespace runner::executor {

// Decides when the shim must signal its agent, and when it must be done. Pure: the caller passes
// the time, in nanoseconds of the monotonic clock. SIGTERM at the time limit, at the lease deadline
// or at the first stop; SIGKILL when the grace after that has passed; kContainment later the shim
// stops waiting. The first cause is the one that is recorded.
class Deadlines {
 public:
  enum class Action { kNone, kTerminate, kKill };
  static constexpr std::int64_t kNever = INT64_MAX;
  // From SIGKILL to the result, including the last output.
  static constexpr std::int64_t kContainment = 5 * kSecondNs;

  // `timeout` 0: no time limit. `lease_deadline` 0: no lease deadline.
  Deadlines(std::int64_t now, std::int64_t timeout, std::int64_t grace,
            std::int64_t lease_deadline = 0)
      : grace_(grace),
        timeout_(timeout == 0 ? kNever : now + timeout),
        lease_deadline_(lease_deadline == 0 ? kNever : lease_deadline) {}

  // Returns true if the agent must be terminated now; false if it is already being stopped.
  bool Stop(ShimStop cause, std::int64_t now) {
    if (phase_ != Phase::kRunning) return false;
    stopped_ = cause;
    BeginGrace(now);
    return true;
  }
  // Ends a grace in progress.
  void SkipGrace(std::int64_t now) {
    if (phase_ == Phase::kStopping) kill_ = now;
  }
  // The executor is attached: moves the lease deadline.
  void ExtendLease(std::int64_t lease_deadline) { lease_deadline_ = lease_deadline; }
  // Returns the action due at `now`; each action once.
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
  // The agent has ended or was killed: what is left must end within kContainment, or what remains
  // of it.
  void MustEnd(std::int64_t now) { end_ = std::min(end_, now + kContainment); }

  // When to call Due next; kNever if nothing is pending.
  std::int64_t next() const {
    if (phase_ == Phase::kRunning) return std::min(timeout_, lease_deadline_);
    return phase_ == Phase::kStopping ? kill_ : kNever;
  }
  // Deadlines for the wait for a killed agent, then for the rest of the run, then for its output:
  // each leaves time for the next. kNever before MustEnd.
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
