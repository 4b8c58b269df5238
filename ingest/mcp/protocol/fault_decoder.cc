#include "ingest/mcp/protocol/fault_decoder.h"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <utility>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/json_members.h"

namespace runner::ingest {
namespace {

void Bound(std::string& text, std::size_t max) { text = TruncateUtf8(SanitizeUtf8(text), max); }

// Exactly `digits` digits at `at`.
std::optional<int> Number(std::string_view text, std::size_t at, std::size_t digits) {
  if (text.size() < at + digits || text[at] == '-') return std::nullopt;  // a sign is no digit
  int value = 0;
  const char* end = text.data() + at + digits;
  const auto [stop, error] = std::from_chars(text.data() + at, end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// The zone at the end of a timestamp: Z or +hh:mm.
std::optional<std::chrono::minutes> ZoneOffset(std::string_view zone) {
  if (zone == "Z" || zone == "z") return std::chrono::minutes(0);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto hours = Number(zone, 1, 2);
  const auto minutes = Number(zone, 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return zone[0] == '-' ? -offset : offset;
}

}  // namespace

std::optional<WallTime> ParseTimestamp(std::string_view text) {
  namespace chrono = std::chrono;
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() <= kShape.size()) return std::nullopt;
  for (const std::size_t at : {4u, 7u, 13u, 16u}) {
    if (text[at] != kShape[at]) return std::nullopt;
  }
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  const auto year = Number(text, 0, 4), month = Number(text, 5, 2), day = Number(text, 8, 2);
  const auto hour = Number(text, 11, 2), minute = Number(text, 14, 2), second = Number(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const chrono::year_month_day date{chrono::year(*year), chrono::month(unsigned(*month)),
                                    chrono::day(unsigned(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  // Beyond this system_clock's nanoseconds overflow.
  if (*year < 1970 || *year > 2200) return std::nullopt;

  text.remove_prefix(kShape.size());
  std::int64_t nanoseconds = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    std::int64_t unit = 100'000'000;
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      nanoseconds += unit * (text[digits++] - '0');
      unit /= 10;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  const auto offset = ZoneOffset(text);
  if (!offset) return std::nullopt;
  return WallTime(chrono::sys_days(date) + chrono::hours(*hour) + chrono::minutes(*minute) +
                  chrono::seconds(*second) + chrono::nanoseconds(nanoseconds) - *offset);
}

std::optional<InvalidEvent> Normalize(FaultEvent& event) {
  Bound(event.fault_id, kMaxUid);
  Bound(event.fault_type, kMaxName);
  Bound(event.resource.api_version, kMaxName);
  Bound(event.resource.kind, kMaxName);
  Bound(event.resource.name, kMaxName);
  Bound(event.resource.namespace_, kMaxName);
  Bound(event.resource.uid, kMaxUid);
  Bound(event.context, kMaxContext);
  if (event.timestamp > event.received_at) event.timestamp = event.received_at;
  const char* missing = event.fault_type.empty()      ? "fault type"
                        : event.resource.kind.empty() ? "resource kind"
                        : event.resource.name.empty() ? "resource name"
                                                      : nullptr;
  if (missing == nullptr) return std::nullopt;
  return InvalidEvent{"schema", std::string("no ") + missing, event.severity};
}

std::optional<InvalidEvent> ReadResource(const JsonIn& value, Resource& resource) {
  const JsonMembers members(value, {"apiVersion", "kind", "name", "namespace", "uid"});
  if (!members.ambiguity().empty()) return InvalidEvent{"json", members.ambiguity(), std::nullopt};
  resource.api_version = members.Text("apiVersion");
  resource.kind = members.Text("kind");
  resource.name = members.Text("name");
  resource.namespace_ = members.Text("namespace");
  resource.uid = members.Text("uid");
  return std::nullopt;
}

DecodedEvent DecodeFault(const JsonIn& value, WallTime now) {
  const JsonMembers data(value,
                         {"faultId", "faultType", "severity", "resource", "context", "timestamp"});
  if (!data.of_object()) return InvalidEvent{"schema", "data is not an object", std::nullopt};
  if (!data.ambiguity().empty()) return InvalidEvent{"json", data.ambiguity(), std::nullopt};
  FaultEvent event;
  if (!IsNull(data["severity"])) {
    const auto known = ParseSeverity(data.Text("severity"));
    if (!known) return InvalidEvent{"schema", "unknown severity", std::nullopt};
    event.severity = *known;
  }
  if (auto invalid = ReadResource(data["resource"], event.resource)) {
    invalid->severity = event.severity;
    return *std::move(invalid);
  }
  event.fault_id = data.Text("faultId");
  event.fault_type = data.Text("faultType");
  event.context = data.Text("context");
  event.received_at = now;
  event.timestamp = ParseTimestamp(data.Text("timestamp")).value_or(now);
  if (auto invalid = Normalize(event)) return *std::move(invalid);
  return event;
}

}  // namespace runner::ingest
