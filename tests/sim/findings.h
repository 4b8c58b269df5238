#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/clock.h"

namespace runner::sim {

// The invariants. Reports contain their names; kInvariants describes them.
enum class Invariant {
  kOneLease,
  kStaleChangesNothing,
  kRepeatChangesNothing,
  kHelloSettles,
  kLimits,
  kContainedFirst,
  kNothingAfterDraining,
  kCounting,
  kExecutorCounting,
  kOneTerminalStatus,
  kAttemptsBounded,
  kQueueOrder,
  kQueueAge,
  kLostInTime,
  kKeepAlive,
  kOneLiveRun,
  kLeaseDeadline,
  kDrainWaits,
  kOffersDelayed,
  kWorkConserving,
  kBooksAgree,
  kIntake,
  kClusters,
  kDuplicates,
  kEscalation,
  kRerun,
  kBreaker,
  kFair,
  kCommittedFirst,
  kNothingLost,
  kEverythingEnds,
  kNothingLeft,
  kCreditsRestored,
  kSelfCheck,
  kCount,
};

struct InvariantText {
  std::string_view name;
  std::string_view meaning;
};

inline constexpr std::array<InvariantText, static_cast<std::size_t>(Invariant::kCount)>
    kInvariants = {{
        {"one-lease", "an incident has one current lease; a lease is offered once and run once"},
        {"stale-changes-nothing", "a message without a current lease changes nothing"},
        {"repeat-changes-nothing", "a message delivered twice changes nothing the second time"},
        {"hello-settles",
         "Welcome keeps current leases and drops the others; unlisted leases are lost"},
        {"limits",
         "no limit is exceeded: credits, slots, agents of a cluster, in total and per hour"},
        {"contained-first", "no result and no free slot before the run is contained"},
        {"nothing-after-draining", "nothing is offered or accepted after Draining"},
        {"counting", "the three equations of ingest hold, and its counters are correct"},
        {"executor-counting", "spawned = completed + active, and the counters are correct"},
        {"one-terminal-status", "an incident ends once, with the real result of its run"},
        {"attempts-bounded",
         "lost and interrupted attempts are exhausted at their limit, not before"},
        {"queue-order",
         "critical first, then first in; requeued to the front; the oldest is evicted"},
        {"queue-age",
         "an over-age incident is never leased and expires in time; no other incident expires"},
        {"lost-in-time", "leases that are not accepted or listed in time are lost"},
        {"keep-alive", "an executor is detached after the time to live without a keep-alive"},
        {"one-live-run", "no run starts while a remote executor still runs its incident"},
        {"lease-deadline",
         "the agents of a remote executor are stopped early enough to have ended 3 s "
         "before ingest may give up their leases"},
        {"drain-waits",
         "a run is interrupted by the timeout of a drain, a second signal, or ingest, and not "
         "before"},
        {"offers-delayed",
         "after a rejection, a shortage or an accept timeout an executor receives "
         "no offer for 1 s, doubled for each later offer up to 60 s, until a run has "
         "started, also after a Hello"},
        {"work-conserving", "no incident is queued that could run"},
        {"books-agree", "the scheduler has the state of the model"},
        {"intake",
         "each event has the disposition of the rules: filter, duplicate, breaker, bounds"},
        {"clusters", "only configured clusters receive events; a removed one keeps its incidents"},
        {"duplicates", "duplicates are merged into a queued incident"},
        {"escalation",
         "once a run has ended, an event above the level of its key is a new incident, "
         "once for each level; a backfilled event never escalates"},
        {"rerun",
         "a rerun queues an ended incident again and bypasses filter, window and "
         "breaker policy, within the bounds, unless its key has an open incident"},
        {"breaker", "opens, cools down, probes and closes by the rules; admits nothing while open"},
        {"fair", "an eligible cluster is passed over at most once by each other cluster"},
        {"committed-first", "nothing is reported before it is committed"},
        {"nothing-lost", "everything reported stays true after a crash"},
        {"everything-ends", "without faults every incident ends in time"},
        {"nothing-left", "at the end there is no lease, run, result, executor or timer"},
        {"credits-restored", "without faults every slot becomes free"},
        {"self-check", "the invariant check of ingest reports no violation"},
    }};

inline std::string_view NameOf(Invariant invariant) {
  return kInvariants[static_cast<std::size_t>(invariant)].name;
}

// The first violation of a history; later ones may be its consequences.
struct Finding {
  Invariant invariant;
  std::string what;
};

class Findings {
 public:
  void Report(Invariant invariant, std::string what) {
    if (!first_) first_ = Finding{invariant, std::move(what)};
  }
  // Calls `compose` for the text only if the invariant does not hold.
  template <typename Compose>
  void Expect(bool holds, Invariant invariant, Compose compose) {
    if (!holds && !first_) Report(invariant, compose());
  }
  const std::optional<Finding>& first() const { return first_; }

 private:
  std::optional<Finding> first_;
};

}  // namespace runner::sim
