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
  StreamId stream;
  std::vector<LeaseDecision> decisions;
};
struct SendOffer {
  StreamId stream;
  Lease lease;
  Incident incident;
};
struct SendRecorded {
  StreamId stream;
  Lease lease;
};
struct SendCancel {
  StreamId stream;
  Lease lease;
  std::string reason;
};
struct SendDrain {
  StreamId stream;
};
struct SendBeatAck {
  StreamId stream;
  std::uint64_t seq;
};
// Another stream of the same executor has taken over.
struct CloseSuperseded {
  StreamId stream;
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
  std::size_t queue_depth;
};
struct QueueOverflowed {
  std::string event_id;  // of the victim: evicted or rejected
  std::string cluster;
  std::size_t depth;
};
struct EventExpired {
  Incident incident;
  Duration age;
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
