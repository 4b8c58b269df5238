#pragma once

#include "common/base/clock.h"
#include "executor/core/run_state.h"

// Upper bounds on the duration of each step of a run, of a stream and of a drain.
// docs/operations.md quotes them.
namespace runner::executor::time_budget {

// From SIGKILL to the proof that no process of the run exists: the sweep of the shim or, if the
// shim has died, of the executor.
inline constexpr Duration kContainment = std::chrono::seconds(5);
// From the proof to the acknowledgement of the result by ingest.
inline constexpr Duration kDelivery = std::chrono::seconds(2);
// Tolerance of the lease deadline for the delay between a keep-alive and its answer, and for the
// drift between two clocks.
inline constexpr Duration kClockMargin = std::chrono::seconds(3);
// The time to the lease deadline must allow for this many keep-alives; the executor rejects a
// Welcome with a shorter lease.
inline constexpr int kKeepAlivesWithinLease = 3;
// From Hello to Welcome.
inline constexpr Duration kWelcome = std::chrono::seconds(10);
// For the last messages to ingest; everything that matters was acknowledged before.
inline constexpr Duration kStreamClose = std::chrono::milliseconds(50);

// From Cancel to the delivered result: the stop_budget that an executor reports in Hello and that
// ingest waits for.
constexpr Duration Stop(Duration kill_grace) { return kill_grace + kContainment + kDelivery; }

// The time from the last confirmed contact with ingest to the lease deadline of an executor that
// runs apart. When ingest leases the incident to another executor, no process of the run exists
// here.
constexpr Duration LeaseDeadline(Duration lease_ttl, Duration kill_grace) {
  return lease_ttl - Stop(kill_grace) - kClockMargin;
}

static_assert(RunState::kSweepLimit <= kContainment);
static_assert(kStreamClose < kDelivery);
static_assert(LeaseDeadline(std::chrono::seconds(60), std::chrono::seconds(5)) >=
                  kKeepAlivesWithinLease * std::chrono::seconds(5),
              "the defaults of --lease-ttl and --agent-kill-grace go together");

}  // namespace runner::executor::time_budget
