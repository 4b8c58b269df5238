#include "ingest/mcp/cluster_event.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "ingest/mcp/json_members.h"

namespace runner::ingest {
namespace {

Severity SeverityOf(const ClusterEvent& event) {
  return event.type == "Warning" ? Severity::kWarning : Severity::kInfo;
}

// Events about these are kept in the namespace default, where the objects themselves are not.
bool IsClusterScoped(std::string_view kind) {
  constexpr std::array<std::string_view, 7> kKinds = {"Node",
                                                      "Namespace",
                                                      "PersistentVolume",
                                                      "StorageClass",
                                                      "VolumeAttachment",
                                                      "CustomResourceDefinition",
                                                      "CertificateSigningRequest"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

// A server writes null, or the year 1, for a time that it does not know.
std::optional<WallTime> TimeOf(const JsonMembers& event) {
  for (const char* key : {"lastTimestamp", "timestamp", "firstTimestamp"}) {
    if (const auto time = ParseTimestamp(event.Text(key))) return time;
  }
  return std::nullopt;
}

std::variant<ClusterEvent, InvalidEvent> Read(const JsonIn& value) {
  const JsonMembers members(value, {"type", "reason", "message", "namespace", "lastTimestamp",
                                    "timestamp", "firstTimestamp", "involvedObject"});
  if (!members.of_object()) return InvalidEvent{"schema", "event is not an object", std::nullopt};
  if (!members.ambiguity().empty()) return InvalidEvent{"json", members.ambiguity(), std::nullopt};
  ClusterEvent event;
  event.type = members.Text("type");
  event.reason = members.Text("reason");
  event.message = members.Text("message");
  event.namespace_ = members.Text("namespace");
  event.timestamp = TimeOf(members);
  if (auto invalid = ReadResource(members["involvedObject"], event.object)) {
    invalid->severity = SeverityOf(event);
    return *std::move(invalid);
  }
  return event;
}

}  // namespace

FaultEvent ToFault(const ClusterEvent& event, WallTime now) {
  FaultEvent fault;
  fault.fault_type = event.reason;
  fault.severity = SeverityOf(event);
  fault.resource = event.object;
  if (fault.resource.namespace_.empty() && !IsClusterScoped(event.object.kind)) {
    fault.resource.namespace_ = event.namespace_;
  }
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
