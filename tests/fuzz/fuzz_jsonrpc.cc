// The input is one JSON-RPC text as a server may send it. Whatever it holds, reading it and what
// lies in it keeps to the promises of jsonrpc.h, fault_decoder.h, cluster_event.h and
// tool_result.h.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>

#include "common/utf8.h"
#include "ingest/mcp/cluster_event.h"
#include "ingest/mcp/fault_decoder.h"
#include "ingest/mcp/json_members.h"
#include "ingest/mcp/jsonrpc.h"
#include "ingest/mcp/tool_result.h"
#include "tests/fuzz/fuzz_check.h"

namespace runner::ingest {
namespace {

const WallTime kNow{std::chrono::hours(500'000)};

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

// What Normalize makes of any text, also of what is no UTF-8.
void CheckBounds(const FaultEvent& original) {
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

void CheckRawText(std::string_view text) {
  const std::string half(text.substr(0, text.size() / 2));
  const std::string whole(text);
  FaultEvent event;
  event.fault_id = event.fault_type = event.resource.uid = event.resource.name = whole;
  event.resource.kind = event.resource.namespace_ = event.resource.api_version = half;
  // The context has by far the widest bound: text of this kind is brought over it at times.
  const bool is_long = !text.empty() && text.size() % 509 == 0;
  for (std::size_t i = 0; i < (is_long ? kMaxContext / text.size() + 1 : 1); ++i) {
    event.context += whole;
  }
  CheckBounds(event);

  FUZZ_CHECK(EscapeForTerminal(EscapeForTerminal(text)) == EscapeForTerminal(text));
  const auto time = ParseTimestamp(text);
  if (time) {
    const auto day = std::chrono::hours(24);
    FUZZ_CHECK(*time >= WallTime() - day);
    FUZZ_CHECK(*time < WallTime(std::chrono::sys_days(std::chrono::year(2201) / 1 / 1)) + day);
  }
}

// Of any decoder: an event within its bounds, or why there is none.
const FaultEvent* CheckDecoded(const DecodedEvent& decoded) {
  if (const auto* invalid = std::get_if<InvalidEvent>(&decoded)) {
    FUZZ_CHECK(invalid->reason == "schema" || invalid->reason == "json");
    FUZZ_CHECK(!invalid->detail.empty());
    return nullptr;
  }
  const FaultEvent& event = std::get<FaultEvent>(decoded);
  FUZZ_CHECK(event.cluster.empty());
  FUZZ_CHECK(event.received_at == kNow);
  CheckBounds(event);
  FaultEvent again = event;
  FUZZ_CHECK(!Normalize(again));
  CheckSame(again, event);
  return &event;
}

void CheckEvents(const JsonIn& value) {
  const DecodedEvent decoded = DecodeFault(value, kNow);
  if (const FaultEvent* fault = CheckDecoded(decoded)) {
    const JsonMembers data(value, {"faultType", "resource"});
    CheckText(fault->fault_type, data.Text("faultType"), kMaxName);
    CheckText(fault->resource.name, JsonMembers(data["resource"], {"name"}).Text("name"), kMaxName);
  }
  const DecodedEvent as_cluster_event = DecodeClusterEvent(value, kNow);
  if (const FaultEvent* fault = CheckDecoded(as_cluster_event)) {
    FUZZ_CHECK(fault->fault_id.empty());
    const JsonMembers data(value, {"event"});
    const JsonMembers event(data["event"], {"reason", "type"});
    CheckText(fault->fault_type, event.Text("reason"), kMaxName);
    FUZZ_CHECK((fault->severity == Severity::kWarning) == (event.Text("type") == "Warning"));
  }
}

void CheckResponse(const JsonRpcResponse& response) {
  FUZZ_CHECK(!response.is_error || !response.result);
  FUZZ_CHECK(FailureText(response).size() <= 300);
  if (ToolUnknown(response) && !response.is_error) FUZZ_CHECK(!FailureText(response).empty());
  if (response.is_error) FUZZ_CHECK(ToolFailed(response));
  const auto names = ToolNames(response.result);
  FUZZ_CHECK(names.size() <= kMaxToolNames);
  for (const std::string& name : names) FUZZ_CHECK(!name.empty() && name.size() <= kMaxToolName);
  FUZZ_CHECK(NextCursor(response.result).size() <= kMaxCursor);
  const std::string text = ToolText(response.result);
  FUZZ_CHECK(text.empty() || text.ends_with('\n'));
  const std::string id = FindSubscriptionId(text);
  // The text that gave the id names it.
  if (!id.empty()) FUZZ_CHECK(NamesSubscription(text, id) && id.size() <= kMaxSubscriptionId);
}

// Whether this program's own reader takes it for ours: ids that we give are such.
bool IsOurs(const Json& id) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  return id.is_number_integer() &&
         (!id.is_number_unsigned() || id.get<std::uint64_t>() <= std::uint64_t{kMax});
}

// The only message of a text that this program wrote. What it holds belongs to the reader.
template <typename T>
T ReadBack(JsonRpcReader& reader, const std::string& text) {
  const auto messages = reader.Read(text);
  FUZZ_CHECK(messages.size() == 1);
  const T* message = std::get_if<T>(&messages[0]);
  FUZZ_CHECK(message != nullptr);
  return *message;
}

void CheckRequest(const JsonRpcRequest& request) {
  FUZZ_CHECK(request.id.size() <= kMaxRequestId);
  const Json id = Json::parse(request.id);
  FUZZ_CHECK(id.is_string() || id.is_number());
  FUZZ_CHECK(!request.method.empty());
  const Json answer = Json::parse(MakeResult(request.id, Json::object()));
  FUZZ_CHECK(answer["id"] == id);
  if (!IsOurs(id)) return;
  JsonRpcReader reader;
  const auto error =
      ReadBack<JsonRpcResponse>(reader, MakeError(request.id, -32601, request.method));
  FUZZ_CHECK(error.is_error && error.error_code == -32601);
  FUZZ_CHECK(error.error_message == request.method);
}

void CheckNotification(const JsonRpcNotification& notification) {
  CheckEvents(notification.params);
  CheckEvents(JsonMembers(notification.params, {"data"})["data"]);
  const Json params =
      IsNull(notification.params) ? Json() : Json::parse(JsonText(notification.params));
  JsonRpcReader reader;
  const auto again =
      ReadBack<JsonRpcNotification>(reader, MakeNotification(notification.method, params));
  FUZZ_CHECK(again.method == notification.method);
  FUZZ_CHECK(again.params.has_value() == !params.is_null());
  if (again.params) FUZZ_CHECK(Json::parse(JsonText(again.params)) == params);
}

void CheckMessage(const JsonRpcMessage& message) {
  if (const auto* response = std::get_if<JsonRpcResponse>(&message)) {
    CheckResponse(*response);
  } else if (const auto* request = std::get_if<JsonRpcRequest>(&message)) {
    CheckRequest(*request);
  } else if (const auto* notification = std::get_if<JsonRpcNotification>(&message)) {
    CheckNotification(*notification);
  } else {
    FUZZ_CHECK(!std::get<JsonRpcInvalid>(message).what.empty());
  }
}

// What is read as a message is JSON for another parser, too, and says the same there.
void CheckByAnotherParser(std::string_view text, const JsonRpcMessage& message) {
  if (std::holds_alternative<JsonRpcInvalid>(message)) return;
  const Json whole = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  FUZZ_CHECK(!whole.is_discarded());
  if (!whole.is_object()) return;
  FUZZ_CHECK(whole["jsonrpc"] == "2.0");
  if (const auto* response = std::get_if<JsonRpcResponse>(&message)) {
    FUZZ_CHECK(whole["id"] == response->id);
  } else if (const auto* request = std::get_if<JsonRpcRequest>(&message)) {
    FUZZ_CHECK(whole["id"] == Json::parse(request->id));
    FUZZ_CHECK(whole["method"] == request->method);
  } else {
    FUZZ_CHECK(whole["method"] == std::get<JsonRpcNotification>(message).method);
  }
}

}  // namespace
}  // namespace runner::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runner::ingest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckRawText(text);
  static JsonRpcReader reader;  // one for all inputs, as a thread has one for all sessions
  const auto messages = reader.Read(text);
  FUZZ_CHECK(messages.size() <= kMaxBatch);
  for (const JsonRpcMessage& message : messages) CheckMessage(message);
  if (messages.size() == 1) CheckByAnotherParser(text, messages[0]);
  reader.Trim();
  return 0;
}
