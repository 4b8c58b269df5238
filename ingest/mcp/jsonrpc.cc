#include "ingest/mcp/jsonrpc.h"

#include <utility>

namespace runner::ingest {
namespace {

std::string Dump(const Json& message) {
  return message.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string StringOr(const Json& object, const char* key, std::string_view otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string(otherwise);
}

JsonRpcMessage ToResponse(Json& message) {
  const auto id = message.find("id");
  if (id == message.end() || !id->is_number_integer())
    return JsonRpcInvalid{"reply without our id"};
  JsonRpcResponse response;
  response.id = id->get<std::int64_t>();
  if (const auto error = message.find("error"); error != message.end() && !error->is_null()) {
    response.is_error = true;
    response.error_message = "error";
    if (error->is_object()) {
      response.error_message = StringOr(*error, "message", "error");
      const auto code = error->find("code");
      if (code != error->end() && code->is_number_integer()) {
        response.error_code = code->get<std::int64_t>();
      }
    }
    return response;
  }
  response.result = std::move(message["result"]);
  return response;
}

JsonRpcMessage ToMessage(Json& message) {
  if (!message.is_object()) return JsonRpcInvalid{"not an object"};
  if (StringOr(message, "jsonrpc", "") != "2.0") return JsonRpcInvalid{"not JSON-RPC 2.0"};
  if (message.contains("result") || message.contains("error")) return ToResponse(message);
  std::string method = StringOr(message, "method", "");
  if (method.empty()) return JsonRpcInvalid{"neither method nor result"};
  if (const auto id = message.find("id"); id != message.end()) {
    if (!id->is_string() && !id->is_number()) return JsonRpcInvalid{"request with a bad id"};
    return JsonRpcRequest{std::move(*id), std::move(method)};
  }
  const auto params = message.find("params");
  return JsonRpcNotification{std::move(method),
                             params == message.end() ? Json() : std::move(*params)};
}

// Whether brackets outside strings nest too deep. Copying and writing a document recurse, so the
// depth is bounded before there is one.
bool NestsTooDeep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::vector<JsonRpcMessage> ParseJsonRpc(std::string_view text) {
  if (NestsTooDeep(text)) return {JsonRpcInvalid{"nested too deep"}};
  Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::vector<JsonRpcMessage> messages;
  if (document.is_discarded()) {
    messages.emplace_back(JsonRpcInvalid{"not JSON"});
  } else if (document.is_array()) {
    for (Json& element : document) messages.push_back(ToMessage(element));
  } else {
    messages.push_back(ToMessage(document));
  }
  return messages;
}

std::string MakeRequest(std::int64_t id, std::string_view method, Json params) {
  return Dump({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}});
}

std::string MakeNotification(std::string_view method, Json params) {
  Json message = {{"jsonrpc", "2.0"}, {"method", method}};
  if (!params.is_null()) message["params"] = std::move(params);
  return Dump(message);
}

std::string MakeResult(const Json& id, Json result) {
  return Dump({{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}});
}

std::string MakeError(const Json& id, std::int64_t code, std::string_view message) {
  return Dump({{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", message}}}});
}

}  // namespace runner::ingest
