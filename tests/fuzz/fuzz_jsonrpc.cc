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

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/cluster_event.h"
#include "ingest/mcp/protocol/fault_decoder.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/known_reasons.h"
#include "ingest/mcp/protocol/tool_result.h"
#include "tests/fuzz/fault_check.h"
#include "tests/fuzz/fuzz_check.h"

namespace runner::ingest {
namespace {

const WallTime kNow{std::chrono::hours(500'000)};

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
  CheckNormalize(event);

  FUZZ_CHECK(EscapeForTerminal(EscapeForTerminal(text)) == EscapeForTerminal(text));
  const auto time = ParseTimestamp(text);
  if (time) {
    const auto day = std::chrono::hours(24);
    FUZZ_CHECK(*time >= WallTime() - day);
    FUZZ_CHECK(*time < WallTime(std::chrono::sys_days(std::chrono::year(2201) / 1 / 1)) + day);
  }
}

void CheckEvents(const JsonIn& value) {
  const DecodedEvent decoded = DecodeFault(value, kNow);
  if (const FaultEvent* fault = CheckDecoded(decoded)) {
    const JsonMembers data(value, {"faultType", "resource"});
    FUZZ_CHECK(fault->received_at == kNow);
    CheckText(fault->fault_type, data.Text("faultType"), kMaxName);
    CheckText(fault->resource.name, JsonMembers(data["resource"], {"name"}).Text("name"), kMaxName);
  }
  const DecodedEvent as_cluster_event = DecodeClusterEvent(value, kNow);
  if (const FaultEvent* fault = CheckDecoded(as_cluster_event)) {
    FUZZ_CHECK(fault->received_at == kNow && fault->fault_id.empty());
    const JsonMembers data(value, {"event"});
    const JsonMembers event(data["event"], {"message", "reason", "type"});
    ClusterEvent known;
    known.reason = event.Text("reason");
    known.message = event.Text("message");
    known.object = fault->resource;
    if (const auto row = KnownFaultOf(known)) {
      FUZZ_CHECK(fault->fault_type == row->fault_type && fault->severity == row->severity);
    } else {
      CheckText(fault->fault_type, event.Text("reason"), kMaxName);
      FUZZ_CHECK((fault->severity == Severity::kWarning) == (event.Text("type") == "Warning"));
    }
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
  if (!id.empty())
    FUZZ_CHECK(StateOfSubscription(text, id) != SubscriptionState::kMissing &&
               id.size() <= kMaxSubscriptionId);
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
