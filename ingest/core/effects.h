#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/domain/dispatch.h"
#include "common/domain/incident.h"
#include "ingest/core/circuit_breaker.h"
#include "ingest/core/event_filter.h"
#include "ingest/core/incident_journal.h"
#include "ingest/core/lease_table.h"

namespace runner::ingest {

// What the loop must do for a step of the scheduler. The core only decides; the loop persists,
// sends, closes and logs, in the given order, and only after the changes of the step are committed
// (CommitGate).

// An append to the journal.
struct Persist {
  IncidentChange change;
};

// A message to an executor.
struct ToExecutor {
  StreamId stream = kNoStream;
  dispatch::IngestMessage message;
};
// The stream was superseded by another stream of the same executor.
struct CloseSuperseded {
  StreamId stream = kNoStream;
};

// The executor has sent no keep-alive for `silence` and counts as detached. Its call is cancelled:
// an ordinary close never completes if the peer does not read.
struct CancelSilent {
  StreamId stream = kNoStream;
  std::string executor_id;
  Duration silence{};
  std::size_t leases = 0;  // held until it returns
};

// --- facts: what was decided, for the log and for DecisionLog ---

struct EventReceived {
  std::string event_id;
  FaultEvent event;
};
struct EventFiltered {
  std::string event_id;
  FaultEvent event;
  FilterReason reason = FilterReason::kDuplicate;
  Severity threshold = Severity::kDebug;  // of the cluster
  // For kDuplicate: the incident that the event duplicates, the state of that incident, and, if it
  // has ended, its status and how much longer events of its key are duplicates.
  std::string incident_id = {};
  IncidentState incident_state = IncidentState::kFinished;
  std::optional<FinalStatus> incident_status = {};
  Duration taken_for{};
};
// The event is more severe than the investigated incidents of its key and passes the deduplication
// window. The later checks still apply.
struct EventEscalated {
  std::string incident_id;            // the latest investigated incident
  Severity level = Severity::kDebug;  // the highest severity investigated
};
// The circuit breaker was open.
struct EventBreakerDropped {
  std::string event_id;
  FaultEvent event;
};
struct EventQueued {
  Incident incident;
  std::size_t queue_depth = 0;
};
struct QueueOverflowed {
  std::string event_id;  // the victim
  std::string cluster;
  std::size_t depth = 0;    // incidents queued for that cluster
  std::size_t waiting = 0;  // incidents queued for all clusters
  bool rejected = false;    // the victim is the newcomer; otherwise a queued incident
};
struct EventExpired {
  Incident incident;
  Duration age{};
};
struct IncidentLeased {
  Lease lease;
  std::string cluster;
  std::string executor_id;
};
// Why a lease ended without a result.
enum class RequeueReason {
  kLost,          // its executor no longer lists it
  kLeaseExpired,  // its executor did not return
  kAcceptTimeout,
  kRejected,
  kInterrupted,
  kShortage,
};
std::string_view ToString(RequeueReason reason);

struct IncidentRequeued {
  Lease lease;
  std::string cluster;
  std::string executor_id;
  RequeueReason reason = RequeueReason::kLost;
  dispatch::RejectReason reject_reason = {};  // for kRejected
};
struct IncidentFinished {
  Lease lease;
  std::string cluster;
  std::string executor_id;  // of the latest lease
  FinalStatus status = FinalStatus::kFailure;
  std::string reason;
  bool ran = false;  // its last lease had started an agent
  std::optional<int> exit_code = {};
};

struct BreakerChanged {
  CircuitBreaker::State state = CircuitBreaker::State::kClosed;
  std::uint32_t failures = 0;  // consecutive
};

using Fact = std::variant<EventReceived, EventFiltered, EventEscalated, EventBreakerDropped,
                          EventQueued, QueueOverflowed, EventExpired, IncidentLeased,
                          IncidentRequeued, IncidentFinished, BreakerChanged>;
using Effect = std::variant<Persist, ToExecutor, CloseSuperseded, CancelSilent, Fact>;
using Effects = std::vector<Effect>;

}  // namespace runner::ingest
