#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/incident.h"
#include "ingest/core/lease_book.h"

namespace runner::ingest {

// What the scheduler wants done. The core only decides; the shell sends, closes and logs, in the
// order given.

struct LeaseDecision {
  Lease lease;
  bool keep = false;
};

// To executors.
struct SendWelcome {
  StreamId stream = kNoStream;
  std::vector<LeaseDecision> decisions;
};
struct SendOffer {
  StreamId stream = kNoStream;
  Lease lease;
  Incident incident;
};
struct SendRecorded {
  StreamId stream = kNoStream;
  Lease lease;
};
struct SendCancel {
  StreamId stream = kNoStream;
  Lease lease;
  std::string reason;
};
struct SendDrain {
  StreamId stream = kNoStream;
};
struct SendBeatAck {
  StreamId stream = kNoStream;
  std::uint64_t seq = 0;
};
// Another stream of the same executor has taken over.
struct CloseSuperseded {
  StreamId stream = kNoStream;
};

// For the log.
struct EventReceived {
  std::string event_id;
  FaultEvent event;
};
struct EventFiltered {
  std::string event_id;
  FaultEvent event;
  std::string reason;
};
struct EventQueued {
  Incident incident;
  std::size_t queue_depth = 0;
};
struct QueueOverflowed {
  std::string event_id;  // of the victim: evicted or rejected
  std::string cluster;
  std::size_t depth = 0;
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
struct IncidentRequeued {
  Lease lease;
  std::string cluster;
  std::string executor_id;
  std::string reason;
};
struct IncidentFinished {
  Lease lease;
  std::string cluster;
  std::string executor_id;
  std::string status;
  std::string reason;
};

using Effect =
    std::variant<SendWelcome, SendOffer, SendRecorded, SendCancel, SendDrain, SendBeatAck,
                 CloseSuperseded, EventReceived, EventFiltered, EventQueued, QueueOverflowed,
                 EventExpired, IncidentLeased, IncidentRequeued, IncidentFinished>;
using Effects = std::vector<Effect>;

}  // namespace runner::ingest
