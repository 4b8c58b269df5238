// The input is a text as the tool events_list may answer it. Whatever it holds, reading it ends,
// throws nothing, keeps to the bounds of event_list.h and says the same a second time; what it
// gives are events that can be checked like any other.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ingest/mcp/event_list.h"
#include "tests/fuzz/fault_check.h"
#include "tests/fuzz/fuzz_check.h"

namespace runner::ingest {
namespace {

const WallTime kNow{std::chrono::hours(500'000)};

bool Same(const ClusterEvent& a, const ClusterEvent& b) {
  return a.type == b.type && a.reason == b.reason && a.message == b.message &&
         a.namespace_ == b.namespace_ && a.timestamp == b.timestamp && a.object == b.object;
}

void CheckEvent(const ClusterEvent& event) {
  const FaultEvent fault = ToFault(event, kNow);
  FUZZ_CHECK(fault.cluster.empty() && fault.fault_id.empty());
  FUZZ_CHECK(fault.received_at == kNow);
  FUZZ_CHECK((fault.severity == Severity::kWarning) == (event.type == "Warning"));
  CheckNormalize(fault);
}

void CheckList(std::string_view text) {
  const auto events = ReadEventList(text);
  const auto again = ReadEventList(text);
  FUZZ_CHECK(events.has_value() == again.has_value());
  if (!events) return;
  FUZZ_CHECK(events->size() <= kMaxListedEvents);
  FUZZ_CHECK(events->size() <= text.size());
  FUZZ_CHECK(std::equal(events->begin(), events->end(), again->begin(), again->end(), Same));
  for (const ClusterEvent& event : *events) CheckEvent(event);
}

}  // namespace
}  // namespace runner::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  runner::ingest::CheckList({reinterpret_cast<const char*>(data), size});
  return 0;
}
