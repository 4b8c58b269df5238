#pragma once

#include <optional>

#include "common/domain/dispatch.h"
#include "common/domain/incident.h"

namespace google::protobuf {
class Duration;
class Timestamp;
}  // namespace google::protobuf

namespace runner::v1 {
class ExecutorMessage;
class Incident;
class IngestMessage;
class Lease;
class Outcome;
class Resource;
}  // namespace runner::v1

// Converts between the structs of this program and the messages of runner.v1. Callers include the
// generated headers of the messages that they use.
namespace runner {

// Converts strings to valid UTF-8: U+FFFD replaces invalid bytes.
v1::Resource ToProto(const Resource& resource);
v1::Incident ToProto(const Incident& incident);
v1::Lease ToProto(const Lease& lease);
v1::Outcome ToProto(const Outcome& outcome);
google::protobuf::Timestamp ToProto(WallTime time);
google::protobuf::Duration ToProto(Duration duration);
v1::ExecutorMessage ToProto(const dispatch::ExecutorMessage& message);
v1::IngestMessage ToProto(const dispatch::IngestMessage& message);

// Empty for values that no correct peer sends: an unknown severity or status, an empty incident id,
// a time that is invalid or out of the range of WallTime. A missing time becomes the epoch, a
// missing duration zero.
Resource FromProto(const v1::Resource& resource);
std::optional<Incident> FromProto(const v1::Incident& incident);
std::optional<Lease> FromProto(const v1::Lease& lease);
std::optional<Outcome> FromProto(const v1::Outcome& outcome);
std::optional<WallTime> FromProto(const google::protobuf::Timestamp& time);
std::optional<Duration> FromProto(const google::protobuf::Duration& duration);
// Also empty for a message of an unknown kind.
std::optional<dispatch::ExecutorMessage> FromProto(const v1::ExecutorMessage& message);
std::optional<dispatch::IngestMessage> FromProto(const v1::IngestMessage& message);

}  // namespace runner
