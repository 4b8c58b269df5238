#include "ingest/mcp/protocol/cluster_event.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/known_reasons.h"

namespace runner::ingest {
namespace {

Severity SeverityOf(const ClusterEvent& event) {
  return event.type == "Warning" ? Severity::kWarning : Severity::kInfo;
}

// Kinds with a namespace in the API of Kubernetes itself (`kubectl api-resources --namespaced`).
bool IsNamespaced(std::string_view kind) {
  constexpr std::array<std::string_view, 25> kKinds = {"ConfigMap",     "ControllerRevision",
                                                       "CronJob",       "DaemonSet",
                                                       "Deployment",    "EndpointSlice",
                                                       "Endpoints",     "HorizontalPodAutoscaler",
                                                       "Ingress",       "Job",
                                                       "Lease",         "LimitRange",
                                                       "NetworkPolicy", "PersistentVolumeClaim",
                                                       "Pod",           "PodDisruptionBudget",
                                                       "ReplicaSet",    "ReplicationController",
                                                       "ResourceQuota", "Role",
                                                       "RoleBinding",   "Secret",
                                                       "Service",       "ServiceAccount",
                                                       "StatefulSet"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

// A server writes null, or the year 1, for a time that it does not know.
std::optional<WallTime> TimeOf(const JsonMembers& event, const JsonMembers& series) {
  std::optional<WallTime> latest = ParseTimestamp(series.Text("lastObservedTime"));
  for (const char* key : {"lastTimestamp", "eventTime", "timestamp", "firstTimestamp"}) {
    const auto time = ParseTimestamp(event.Text(key));
    if (time) latest = std::max(latest.value_or(*time), *time);
  }
  return latest;
}

std::variant<ClusterEvent, InvalidEvent> Read(const JsonIn& value) {
  const JsonMembers members(
      value, {"type", "reason", "message", "namespace", "lastTimestamp", "eventTime", "timestamp",
              "firstTimestamp", "series", "involvedObject"});
  if (!members.of_object()) return InvalidEvent{"schema", "event is not an object", std::nullopt};
  if (!members.ambiguity().empty()) return InvalidEvent{"json", members.ambiguity(), std::nullopt};
  ClusterEvent event;
  event.type = members.Text("type");
  event.reason = members.Text("reason");
  event.message = members.Text("message");
  event.namespace_ = members.Text("namespace");
  event.timestamp = TimeOf(members, JsonMembers(members["series"], {"lastObservedTime"}));
  event.object_scope_known = true;
  if (auto invalid = ReadResource(members["involvedObject"], event.object)) {
    invalid->severity = SeverityOf(event);
    return *std::move(invalid);
  }
  return event;
}

}  // namespace

std::string ObjectNamespace(const ClusterEvent& event) {
  if (event.object_scope_known) return event.object.namespace_;
  const bool ambiguous = event.namespace_ == "default" || event.namespace_ == "kube-system";
  return ambiguous && !IsNamespaced(event.object.kind) ? std::string() : event.namespace_;
}

FaultEvent ToFault(const ClusterEvent& event, WallTime now) {
  FaultEvent fault;
  const auto known = KnownFaultOf(event);
  fault.fault_type = known ? std::string(known->fault_type) : event.reason;
  fault.severity = known ? known->severity : SeverityOf(event);
  fault.resource = event.object;
  fault.resource.namespace_ = ObjectNamespace(event);
  fault.context = event.message;
  fault.timestamp = event.timestamp.value_or(now);
  fault.received_at = now;
  return fault;
}

DecodedEvent DecodeClusterEvent(const JsonIn& value, WallTime now) {
  const JsonMembers data(value, {"event"});
  if (!data.of_object()) return InvalidEvent{"schema", "data is not an object", std::nullopt};
  if (!data.ambiguity().empty()) return InvalidEvent{"json", data.ambiguity(), std::nullopt};
  auto event = Read(data["event"]);
  if (auto* invalid = std::get_if<InvalidEvent>(&event)) return std::move(*invalid);
  FaultEvent fault = ToFault(std::get<ClusterEvent>(event), now);
  if (auto invalid = Normalize(fault)) return *std::move(invalid);
  return fault;
}

}  // namespace runner::ingest
