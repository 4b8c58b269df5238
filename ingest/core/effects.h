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

// What the scheduler wants done. The core only decides; the shell records, sends, closes and logs,
// in the order given, and nothing of a step before its changes are committed: CommitGate.

// To the journal.
struct Persist {
  IncidentChange change;
};

// To an executor.
struct ToExecutor {
  StreamId stream = kNoStream;
  dispatch::IngestMessage message;
};
// Another stream of the same executor has taken over.
struct CloseSuperseded {
  StreamId stream = kNoStream;
};

// No keep-alive came for `silence`: the executor counts as detached. Its call is cancelled, since a
// peer that does not read never ends an ordinary close.
struct CancelSilent {
  StreamId stream = kNoStream;
  std::string executor_id;
  Duration silence{};
  std::size_t leases = 0;  // that wait for its return
};

// --- facts: what was decided, for the log and for ExplainEvent ---

struct EventReceived {
  std::string event_id;
  FaultEvent event;
};
struct EventFiltered {
  std::string event_id;
  FaultEvent event;
  FilterReason reason = FilterReason::kDuplicate;
  Severity threshold = Severity::kDebug;  // of the cluster
  // Of a duplicate: the incident that it belongs to, how far that had come, and, once it has ended,
  // with which status and how much longer events of its key are duplicates.
  std::string incident_id = {};
  IncidentState incident_state = IncidentState::kFinished;
  std::optional<FinalStatus> incident_status = {};
  Duration taken_for{};
};
// It is more severe than what was investigated of its key, and so passes the window of that; the
// checks after it still decide.
struct EventEscalated {
  std::string incident_id;            // the latest that was investigated
  Severity level = Severity::kDebug;  // the highest severity that was
};
// Dropped because the circuit breaker is open.
struct EventBreakerDropped {
  std::string event_id;
  FaultEvent event;
};
struct EventQueued {
  Incident incident;
  std::size_t queue_depth = 0;
};
struct QueueOverflowed {
  std::string event_id;  // of the victim
  std::string cluster;
  std::size_t depth = 0;    // of that cluster
  std::size_t waiting = 0;  // of all clusters
  bool rejected = false;    // the victim is the newcomer; otherwise an incident that waited
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
// Why a lease came to no result.
enum class RequeueReason {
  kLost,          // its executor does not know it any more
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
  dispatch::RejectReason reject_reason = {};  // of kRejected
};
struct IncidentFinished {
  Lease lease;
  std::string cluster;
  std::string executor_id;  // of the latest lease
  FinalStatus status = FinalStatus::kFailure;
  std::string reason;
  bool ran = false;  // it ended with a lease whose agent had started
  std::optional<int> exit_code = {};
};

struct BreakerChanged {
  CircuitBreaker::State state = CircuitBreaker::State::kClosed;
  std::uint32_t failures = 0;  // in a row
};

using Fact = std::variant<EventReceived, EventFiltered, EventEscalated, EventBreakerDropped,
                          EventQueued, QueueOverflowed, EventExpired, IncidentLeased,
                          IncidentRequeued, IncidentFinished, BreakerChanged>;
using Effect = std::variant<Persist, ToExecutor, CloseSuperseded, CancelSilent, Fact>;
using Effects = std::vector<Effect>;

}  // namespace runner::ingest
