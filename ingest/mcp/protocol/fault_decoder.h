#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/domain/incident.h"
#include "common/domain/text_limits.h"
#include "ingest/mcp/protocol/json_in.h"

namespace runner::ingest {

// Why a message is not a fault event. `severity` is set if it could be read.
struct InvalidEvent {
  std::string reason;  // json, schema, oversize: the `reason` label
  std::string detail;
  std::optional<Severity> severity;
};

using DecodedEvent = std::variant<FaultEvent, InvalidEvent>;

// The `data` of a notification with logger kubernetes/faults. Valid is what has a fault type, a
// resource with kind and name, and a known or absent severity, and is not ambiguous
// (json_members.h). Every text comes out as valid UTF-8 within its bound. A timestamp that is
// missing, unreadable or in the future becomes `now`. The cluster is left empty: the server's own
// claim does not count.
DecodedEvent DecodeFault(const JsonIn& data, WallTime now);

// RFC 3339 (date-time) to the second or finer; nothing when it is not one.
std::optional<WallTime> ParseTimestamp(std::string_view text);

// A reference to an object: apiVersion, kind, name, namespace, uid. What is missing stays empty.
// Nothing when it is not ambiguous.
std::optional<InvalidEvent> ReadResource(const JsonIn& value, Resource& resource);

// Applies the same bounds to an event that came another way. Nothing when it is valid.
std::optional<InvalidEvent> Normalize(FaultEvent& event);

}  // namespace runner::ingest
