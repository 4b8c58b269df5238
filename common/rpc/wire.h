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

// Conversions between the structs of this program and the messages of runner.v1. Callers include
// the generated headers of the messages that they use.
namespace runner {

// Strings become valid UTF-8: invalid bytes are replaced by U+FFFD.
v1::Resource ToProto(const Resource& resource);
v1::Incident ToProto(const Incident& incident);
v1::Lease ToProto(const Lease& lease);
v1::Outcome ToProto(const Outcome& outcome);
google::protobuf::Timestamp ToProto(WallTime time);
google::protobuf::Duration ToProto(Duration duration);
v1::ExecutorMessage ToProto(const dispatch::ExecutorMessage& message);
v1::IngestMessage ToProto(const dispatch::IngestMessage& message);

// Empty for what no sound peer sends: an unknown severity or status, no incident id, a time that
// does not exist or that WallTime cannot hold. A time that is missing is the epoch, a missing
// duration is zero.
Resource FromProto(const v1::Resource& resource);
std::optional<Incident> FromProto(const v1::Incident& incident);
std::optional<Lease> FromProto(const v1::Lease& lease);
std::optional<Outcome> FromProto(const v1::Outcome& outcome);
std::optional<WallTime> FromProto(const google::protobuf::Timestamp& time);
std::optional<Duration> FromProto(const google::protobuf::Duration& duration);
// Also empty for a message of a kind that is not known here.
std::optional<dispatch::ExecutorMessage> FromProto(const v1::ExecutorMessage& message);
std::optional<dispatch::IngestMessage> FromProto(const v1::IngestMessage& message);

}  // namespace runner
