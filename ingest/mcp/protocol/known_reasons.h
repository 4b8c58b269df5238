#pragma once

#include <optional>
#include <string_view>

#include "common/domain/incident.h"

namespace runner::ingest {

struct ClusterEvent;

// The fault that a server which pushes faults reports for a Kubernetes event.
struct KnownFault {
  std::string_view fault_type;
  Severity severity = Severity::kWarning;
  // A server in mode faults pushes this fault by itself. A silent stream that may have lost
  // something is searched for these only.
  bool pushed = true;
};

// The fault that the event is one symptom of, by its reason; docs/servers.md has the table. Nothing
// if the reason is not in it.
std::optional<KnownFault> KnownFaultOf(const ClusterEvent& event);

}  // namespace runner::ingest
