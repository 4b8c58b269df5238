#pragma once

#include "common/base/clock.h"
#include "executor/core/run_state.h"

// How long each step of a run, of a stream and of a drain may take, at the most. docs/operations.md
// quotes them.
namespace runner::executor::time_budget {

// From SIGKILL to the proof that no process of the run is left: the sweep of the shim, or, where
// the shim has died, that of the executor.
inline constexpr Duration kContainment = std::chrono::seconds(5);
// From the proof to the answer of ingest that the result is recorded.
inline constexpr Duration kDelivery = std::chrono::seconds(2);
// What may pass between a keep-alive and its answer, and between two clocks, without harm to the
// deadline of the leases.
inline constexpr Duration kClockMargin = std::chrono::seconds(3);
// A lease that ends before so many keep-alives could be answered is no lease to work with.
inline constexpr int kKeepAlivesWithinLease = 3;
// From Hello to Welcome.
inline constexpr Duration kWelcome = std::chrono::seconds(10);
// For the last words to ingest: everything that matters was acknowledged by then.
inline constexpr Duration kGoodbye = std::chrono::milliseconds(50);

// From Cancel to the delivered result: what an executor names in Hello, and what ingest waits for.
constexpr Duration Stop(Duration kill_grace) { return kill_grace + kContainment + kDelivery; }

// How long after ingest was last heard of the runs of an executor that runs apart are stopped, so
// that nothing of them is left when ingest gives their leases to another executor.
constexpr Duration LeaseDeadline(Duration lease_ttl, Duration kill_grace) {
  return lease_ttl - Stop(kill_grace) - kClockMargin;
}

static_assert(RunState::kSweepLimit <= kContainment);
static_assert(kGoodbye < kDelivery);
static_assert(LeaseDeadline(std::chrono::seconds(60), std::chrono::seconds(5)) >=
                  kKeepAlivesWithinLease * std::chrono::seconds(5),
              "the defaults of --lease-ttl and --agent-kill-grace go together");

}  // namespace runner::executor::time_budget
