// The input is a text as the tool events_list may answer it. Whatever it holds, reading it ends,
// throws nothing, keeps to the bounds of event_list.h and says the same however the text is cut,
// also as the answer that carries it; what it gives are events that can be checked like any other.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ingest/mcp/protocol/event_list.h"
#include "ingest/mcp/protocol/reply_reader.h"
#include "tests/fuzz/fault_check.h"
#include "tests/fuzz/fuzz_check.h"
#include "tests/fuzz/input_random.h"

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
  FUZZ_CHECK(fault.severity == Severity::kWarning || fault.severity == Severity::kCritical);
  CheckNormalize(fault);
}

EventList ReadInPieces(std::string_view text, InputRandom& random) {
  EventListReader reader;
  while (!text.empty()) {
    const std::size_t length = std::min<std::size_t>(random.Below(20) + 1, text.size());
    reader.Put(text.substr(0, length));
    text.remove_prefix(length);
  }
  return reader.Finish();
}

void CheckSame(const EventList& a, const EventList& b) {
  FUZZ_CHECK(a.is_list == b.is_list && a.dropped == b.dropped && a.truncated == b.truncated);
  FUZZ_CHECK(std::equal(a.events.begin(), a.events.end(), b.events.begin(), b.events.end(), Same));
}

void CheckList(std::string_view text) {
  EventList list = ReadEventList(text);
  InputRandom random(text);
  CheckSame(list, ReadInPieces(text, random));
  FUZZ_CHECK(list.is_list || (list.events.empty() && list.dropped == 0));
  FUZZ_CHECK(list.events.size() <= kMaxListedEvents);
  FUZZ_CHECK(list.events.size() + list.dropped <= text.size());
  // An entry more, behind whatever there is, is read, unless it continues what is there.
  const EventList longer = ReadEventList(std::string(text) + "\n- {Type: Warning, Reason: mine}\n");
  if (list.is_list && !list.events.empty() && text.find('[') == std::string_view::npos) {
    FUZZ_CHECK(longer.is_list && longer.events.size() >= list.events.size());
  }
  for (ClusterEvent& event : list.events) {
    FUZZ_CHECK(event.type == "Warning");
    CompleteMessage(event);
    FUZZ_CHECK(event.message.size() <= kMaxListedMessage && event.message_source.empty());
    CheckEvent(event);
  }
}

// The same text as the answer to a request, escaped and cut: what is read is the same.
void CheckReply(std::string_view text) {
  const nlohmann::json message = {{"jsonrpc", "2.0"},
                                  {"id", 1},
                                  {"result", {{"content", {{{"type", "text"}, {"text", text}}}}}}};
  const std::string json = message.dump(-1, ' ', !text.empty() && text.front() % 2 == 0,
                                        nlohmann::json::error_handler_t::ignore);
  const std::string valid = nlohmann::json::parse(json)["result"]["content"][0]["text"];
  ReplyReader reader(std::size_t{1} << 20);
  InputRandom random(text);
  for (std::string_view left = json; !left.empty();) {
    const std::size_t length = std::min<std::size_t>(random.Below(20) + 1, left.size());
    reader.Put(left.substr(0, length));
    left.remove_prefix(length);
  }
  const ReplyReader::Reply reply = reader.Take();
  FUZZ_CHECK(!reply.oversize && reply.listed);
  CheckSame(*reply.listed, ReadEventList(valid + "\n"));
  if (json.size() > ToolTextExtractor::kMaxTextInRest) return;  // cut there
  FUZZ_CHECK(nlohmann::json::parse(reply.json) == nlohmann::json::parse(json));
}

}  // namespace
}  // namespace runner::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  runner::ingest::CheckList(text);
  runner::ingest::CheckReply(text);
  return 0;
}
