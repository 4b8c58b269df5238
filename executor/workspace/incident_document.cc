#include "executor/workspace/incident_document.h"

#include <nlohmann/json.hpp>

#include "executor/workspace/rfc3339.h"

namespace runner::executor {

std::string IncidentDocument(const Lease& lease, const Incident& incident) {
  using nlohmann::ordered_json;
  const FaultEvent& event = incident.event;
  const Resource& resource = event.resource;
  ordered_json document = {
      {"incidentId", lease.incident_id},
      {"cluster", event.cluster},
      {"faultId", event.fault_id},
      {"faultType", event.fault_type},
      {"severity", ToString(event.severity)},
      {"resource",
       {{"apiVersion", resource.api_version},
        {"kind", resource.kind},
        {"name", resource.name},
        {"namespace", resource.namespace_},
        {"uid", resource.uid}}},
      {"context", event.context},
      {"timestamp", FormatRfc3339(event.timestamp)},
      {"receivedAt", FormatRfc3339(event.received_at)},
      {"occurrences", incident.occurrences},
      {"attempt", lease.attempt},
  };
  if (!incident.rerun_of.empty()) document["rerunOf"] = incident.rerun_of;
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace runner::executor
