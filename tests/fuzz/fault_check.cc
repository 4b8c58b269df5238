#include "tests/fuzz/fault_check.h"

#include <optional>
#include <variant>

#include "common/base/utf8.h"
#include "tests/fuzz/fuzz_check.h"

namespace runner::ingest {

void CheckText(const std::string& text, std::string_view original, std::size_t max) {
  FUZZ_CHECK(text.size() <= max);
  FUZZ_CHECK(SanitizeUtf8(text) == text);
  const std::string valid = SanitizeUtf8(original);
  if (valid.size() <= max) {
    FUZZ_CHECK(text == valid);
    return;
  }
  FUZZ_CHECK(text.ends_with(kTruncationMarker));
  const std::size_t kept = text.size() - kTruncationMarker.size();
  FUZZ_CHECK(valid.starts_with(text.substr(0, kept)));
  FUZZ_CHECK(text.size() + 4 > max);  // no more is lost than a character
}

void CheckSame(const FaultEvent& a, const FaultEvent& b) {
  FUZZ_CHECK(a.fault_id == b.fault_id && a.fault_type == b.fault_type);
  FUZZ_CHECK(a.resource == b.resource && a.context == b.context);
  FUZZ_CHECK(a.timestamp == b.timestamp && a.severity == b.severity);
}

void CheckNormalize(const FaultEvent& original) {
  FaultEvent event = original;
  const auto invalid = Normalize(event);
  CheckText(event.fault_id, original.fault_id, kMaxUid);
  CheckText(event.fault_type, original.fault_type, kMaxName);
  CheckText(event.resource.api_version, original.resource.api_version, kMaxName);
  CheckText(event.resource.kind, original.resource.kind, kMaxName);
  CheckText(event.resource.name, original.resource.name, kMaxName);
  CheckText(event.resource.namespace_, original.resource.namespace_, kMaxName);
  CheckText(event.resource.uid, original.resource.uid, kMaxUid);
  CheckText(event.context, original.context, kMaxContext);
  FUZZ_CHECK(event.timestamp <= event.received_at);
  const bool complete =
      !event.fault_type.empty() && !event.resource.kind.empty() && !event.resource.name.empty();
  FUZZ_CHECK(complete == !invalid.has_value());
  FaultEvent again = event;
  FUZZ_CHECK(Normalize(again).has_value() == invalid.has_value());
  CheckSame(again, event);
}

const FaultEvent* CheckDecoded(const DecodedEvent& decoded) {
  if (const auto* invalid = std::get_if<InvalidEvent>(&decoded)) {
    FUZZ_CHECK(invalid->reason == "schema" || invalid->reason == "json" ||
               invalid->reason == "oversize");
    FUZZ_CHECK(!invalid->detail.empty());
    return nullptr;
  }
  const FaultEvent& event = std::get<FaultEvent>(decoded);
  FUZZ_CHECK(event.cluster.empty());  // the server's own claim does not count
  CheckNormalize(event);
  FaultEvent again = event;
  FUZZ_CHECK(!Normalize(again));
  CheckSame(again, event);
  return &event;
}

}  // namespace runner::ingest
