#include "ingest/mcp/protocol/jsonrpc.h"

#include <optional>
#include <utility>

#include "ingest/mcp/protocol/json_members.h"

namespace runner::ingest {
namespace {

// The parser counts the document itself, and never sees the inside of what is empty.
constexpr std::size_t kParserDepth = kMaxJsonDepth + 1;
// Bytes that a reader starts with, and keeps between messages.
constexpr std::size_t kUsualCapacity = std::size_t{4} << 10;
constexpr std::size_t kKeptCapacity = std::size_t{64} << 10;

std::string Dump(const Json& message) {
  return message.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A message with an id that is JSON text already.
std::string Reply(std::string_view id, const char* key, const Json& value) {
  std::string text = R"({"jsonrpc":"2.0","id":)";
  return text.append(id).append(",\"").append(key).append("\":").append(Dump(value)).append("}");
}

std::optional<std::int64_t> Integer(const JsonIn& value) {
  std::int64_t number = 0;
  if (!value || value->get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

JsonRpcMessage ToResponse(const JsonMembers& message) {
  const auto id = Integer(message["id"]);
  if (!id) return JsonRpcInvalid{"response without an integer id"};
  JsonRpcResponse response;
  response.id = *id;
  if (IsNull(message["error"])) {
    response.result = message["result"];
    return response;
  }
  const JsonMembers error(message["error"], {"code", "message", "data"});
  if (!error.ambiguity().empty()) return JsonRpcInvalid{"error: " + error.ambiguity()};
  response.is_error = true;
  response.error_code = Integer(error["code"]).value_or(0);
  response.error_message = error.Text("message");
  if (response.error_message.empty()) response.error_message = "error";
  response.error_data = error["data"];
  return response;
}

JsonRpcMessage ToRequest(const JsonIn& id, std::string method) {
  if (!id->is_string() && !id->is_number())
    return JsonRpcInvalid{"request whose id is neither a string nor a number"};
  JsonRpcRequest request{JsonText(id), std::move(method)};
  if (request.id.size() > kMaxRequestId)
    return JsonRpcInvalid{"request with an id over 1024 bytes"};
  return request;
}

JsonRpcMessage ToMessage(const JsonIn& value) {
  const JsonMembers message(value, {"jsonrpc", "id", "method", "params", "result", "error"});
  if (!message.of_object()) return JsonRpcInvalid{"not an object"};
  if (!message.ambiguity().empty()) return JsonRpcInvalid{message.ambiguity()};
  if (message.Text("jsonrpc") != "2.0") return JsonRpcInvalid{"not JSON-RPC 2.0"};
  if (message["result"] || message["error"]) return ToResponse(message);
  std::string method(message.Text("method"));
  if (method.empty()) return JsonRpcInvalid{"neither method nor result"};
  if (message["id"]) return ToRequest(message["id"], std::move(method));
  return JsonRpcNotification{std::move(method), message["params"]};
}

const char* WhyNoJson(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR:
      return "nested too deep";
    case simdjson::CAPACITY:
      return "too long";
    case simdjson::MEMALLOC:
      return "no memory for it";
    case simdjson::UTF8_ERROR:
      return "invalid UTF-8";
    default:
      return "not JSON";
  }
}

}  // namespace

std::vector<JsonRpcMessage> JsonRpcReader::Read(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  // The parser copies with memcpy, which takes no null pointer, and an empty view may be one.
  if (text.empty()) return {JsonRpcInvalid{"not JSON"}};
  simdjson::error_code error = simdjson::SUCCESS;
  if (parser_.max_depth() != kParserDepth) error = parser_.allocate(kUsualCapacity, kParserDepth);
  simdjson::dom::element document;
  // It copies the text into a buffer of its own, padded as it needs it.
  if (!error) error = parser_.parse(text.data(), text.size()).get(document);
  if (error) return {JsonRpcInvalid{WhyNoJson(error)}};
  simdjson::dom::array batch;
  if (document.get(batch) != simdjson::SUCCESS) return {ToMessage(document)};
  if (batch.size() > kMaxBatch) return {JsonRpcInvalid{"too many messages in a batch"}};
  std::vector<JsonRpcMessage> messages;
  for (const simdjson::dom::element element : batch) messages.push_back(ToMessage(element));
  return messages;
}

void JsonRpcReader::Trim() {
  if (capacity() > kKeptCapacity) parser_ = simdjson::dom::parser(kMaxJsonText);
}

std::string MakeRequest(std::int64_t id, std::string_view method, Json params) {
  return Dump({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}});
}

std::string MakeNotification(std::string_view method, Json params) {
  Json message = {{"jsonrpc", "2.0"}, {"method", method}};
  if (!params.is_null()) message["params"] = std::move(params);
  return Dump(message);
}

std::string MakeResult(std::string_view id, const Json& result) {
  return Reply(id, "result", result);
}

std::string MakeError(std::string_view id, std::int64_t code, std::string_view message) {
  return Reply(id, "error", {{"code", code}, {"message", message}});
}

}  // namespace runner::ingest
