#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "ingest/mcp/protocol/fault_decoder.h"
#include "ingest/mcp/protocol/json_in.h"

namespace runner::ingest {

// An event as Kubernetes records it (core/v1 Event), pushed or listed.
struct ClusterEvent {
  std::string type;  // Normal or Warning
  std::string reason;
  std::string message;
  // Set if `message` is only the beginning: the YAML to read the whole from (event_list.h).
  std::string message_source = {};
  bool message_cut = false;           // the whole is over a bound and lacks its end
  std::string namespace_;             // of the event itself
  std::optional<WallTime> timestamp;  // when it happened last
  std::uint64_t count = 0;            // of occurrences; 0: not known
  Resource object;                    // what it is about
  // True if the namespace of the object was given, be it an empty one. A list gives the namespace
  // of the event only.
  bool object_scope_known = false;
};

// The namespace of the object. If only the namespace of the event is known, that one counts, unless
// it is `default` or `kube-system`: Kubernetes records events about cluster-scoped objects there
// (pkg/apis/ core/validation/events.go). In these two, kinds that Kubernetes itself defines with a
// namespace have it, and all other kinds have none.
std::string ObjectNamespace(const ClusterEvent& event);

// The event as a fault, by the table of known reasons (known_reasons.h). A reason that is not in
// the table is its own fault type, with severity warning for type Warning and info otherwise. The
// message is the context. There is no fault id. Nothing is checked: Normalize has to follow.
FaultEvent ToFault(const ClusterEvent& event, WallTime now);

// The `data` of a notification with logger kubernetes/events. The time is the latest readable one
// of series.lastObservedTime, lastTimestamp, eventTime, timestamp and firstTimestamp, else `now`.
// The object has the namespace that it names, and none if it names none. Valid, bounded and never
// ambiguous as what DecodeFault returns, by the same reasons.
DecodedEvent DecodeClusterEvent(const JsonIn& data, WallTime now);

}  // namespace runner::ingest
