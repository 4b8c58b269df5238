#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/clock.h"

namespace runner::sim {

// What must hold. The names appear in reports; kInvariants says what each of them means.
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
        {"one-lease", "an incident has one current lease; a lease is offered once, run once"},
        {"stale-changes-nothing", "a message without a current lease changes nothing"},
        {"repeat-changes-nothing", "a message delivered twice changes nothing the second time"},
        {"hello-settles", "Welcome keeps what is current, drops the rest; unlisted is lost"},
        {"limits", "credits, slots, agents of a cluster, in total and per hour are kept"},
        {"contained-first", "no result and no free slot before the run is contained"},
        {"nothing-after-draining", "nothing is offered or accepted after Draining"},
        {"counting", "the three equations of ingest, and its counters are right"},
        {"executor-counting", "spawned = completed + active, and the counters are right"},
        {"one-terminal-status", "an incident ends once, and as its run truly ended"},
        {"attempts-bounded", "lost and interrupted attempts end at their limit, not before"},
        {"queue-order",
         "critical first, then first in; requeued to the front; the oldest is evicted"},
        {"queue-age", "over-age is never leased, expires in time, and nothing else does"},
        {"lost-in-time", "leases not accepted or not announced in time are lost"},
        {"keep-alive", "an executor is attached until no keep-alive came for the time to live"},
        {"one-live-run",
         "no run begins while another of its incident lives on an executor that runs apart"},
        {"lease-deadline",
         "the agents of an executor that runs apart are told to stop early enough to be gone 3 s "
         "before ingest may give up their leases"},
        {"drain-waits",
         "a run is interrupted by the timeout of a drain, a second signal, or ingest, and not "
         "before"},
        {"offers-delayed",
         "after a rejection, a shortage or an offer that was not accepted in time an executor is "
         "offered nothing for 1 s, twice as long for each later offer up to 60 s, until a run has "
         "started, also after a Hello"},
        {"work-conserving", "nothing waits that could run"},
        {"books-agree", "the scheduler's state is that of the model"},
        {"intake", "filter, duplicate, breaker, bounds: each event ends where it must"},
        {"clusters", "events come in of configured clusters only; a removed one keeps what it has"},
        {"duplicates", "an incident that waits takes in its duplicates"},
        {"escalation",
         "once a run has ended, an event above the level of its key is a new incident, "
         "once for each level; a backfilled event never is"},
        {"rerun",
         "an ended incident is queued again at an operator's word, past filter, window and "
         "breaker, within the bounds, unless its key has an open incident"},
        {"breaker", "opens, cools down, probes and closes as agreed; admits nothing while open"},
        {"fair", "what could run is passed over at most once by each other cluster"},
        {"committed-first", "nothing is told before the journal has it"},
        {"nothing-lost", "what was told stays true after a crash"},
        {"everything-ends", "once faults have ceased every incident ends within its time"},
        {"nothing-left", "in the end there is no lease, run, result, executor or timer"},
        {"credits-restored", "once faults have ceased every slot is free again"},
        {"self-check", "what ingest checks of itself at run time raises no false alarm"},
    }};

inline std::string_view NameOf(Invariant invariant) {
  return kInvariants[static_cast<std::size_t>(invariant)].name;
}

// The first broken invariant of a history; what comes after it is not trusted.
struct Finding {
  Invariant invariant;
  std::string what;
};

class Findings {
 public:
  void Report(Invariant invariant, std::string what) {
    if (!first_) first_ = Finding{invariant, std::move(what)};
  }
  // Composes the text only when it does not hold.
  template <typename Compose>
  void Expect(bool holds, Invariant invariant, Compose compose) {
    if (!holds && !first_) Report(invariant, compose());
  }
  const std::optional<Finding>& first() const { return first_; }

 private:
  std::optional<Finding> first_;
};

}  // namespace runner::sim
