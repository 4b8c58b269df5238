#pragma once

#include <optional>
#include <string>

#include "common/clock.h"
#include "common/incident.h"
#include "ingest/mcp/fault_decoder.h"
#include "ingest/mcp/json_in.h"

namespace runner::ingest {

// An event as Kubernetes records it (core/v1 Event), whichever way a server told it.
struct ClusterEvent {
  std::string type;  // Normal or Warning
  std::string reason;
  std::string message;
  std::string namespace_;             // of the event itself
  std::optional<WallTime> timestamp;  // when it happened last
  Resource object;                    // what it is about
};

// The event as a fault: the reason is its type, the message its context. A Warning has severity
// warning, everything else info. An object without a namespace is in that of the event, unless its
// kind has none. There is no fault id. Nothing is checked: Normalize has to follow.
FaultEvent ToFault(const ClusterEvent& event, WallTime now);

// The `data` of a notification with logger kubernetes/events. The time is the first readable one of
// lastTimestamp, timestamp, firstTimestamp, else `now`. Valid, bounded and never ambiguous as what
// DecodeFault returns, by the same reasons.
DecodedEvent DecodeClusterEvent(const JsonIn& data, WallTime now);

}  // namespace runner::ingest
