#include "ingest/mcp/fault_decoder.h"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <utility>

#include "common/utf8.h"

namespace runner::ingest {
namespace {

// The text at `key`; empty when it is missing or something else.
std::string Text(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

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
  for (const std::size_t at : {4, 7, 13, 16}) {
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

DecodedEvent DecodeFault(const Json& data, WallTime now) {
  if (!data.is_object()) return InvalidEvent{"schema", "data is not an object", std::nullopt};
  FaultEvent event;
  if (const auto severity = data.find("severity"); severity != data.end() && !severity->is_null()) {
    const auto known =
        severity->is_string() ? ParseSeverity(severity->get<std::string>()) : std::nullopt;
    if (!known) return InvalidEvent{"schema", "unknown severity", std::nullopt};
    event.severity = *known;
  }
  event.fault_id = Text(data, "faultId");
  event.fault_type = Text(data, "faultType");
  event.context = Text(data, "context");
  if (const auto resource = data.find("resource"); resource != data.end()) {
    event.resource = {Text(*resource, "apiVersion"), Text(*resource, "kind"),
                      Text(*resource, "name"), Text(*resource, "namespace"),
                      Text(*resource, "uid")};
  }
  event.received_at = now;
  event.timestamp = ParseTimestamp(Text(data, "timestamp")).value_or(now);
  if (auto invalid = Normalize(event)) return *std::move(invalid);
  return event;
}

}  // namespace runner::ingest
