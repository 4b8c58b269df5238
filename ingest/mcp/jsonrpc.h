#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace runner::ingest {

using Json = nlohmann::ordered_json;

// The messages of JSON-RPC 2.0 as MCP uses them.
struct JsonRpcResponse {
  std::int64_t id = 0;
  Json result;  // null when it is an error
  bool is_error = false;
  std::int64_t error_code = 0;
  std::string error_message;
};
struct JsonRpcRequest {
  Json id;  // of the peer: any string or number, to be sent back as it is
  std::string method;
};
struct JsonRpcNotification {
  std::string method;
  Json params;
};
struct JsonRpcInvalid {
  std::string what;
};

using JsonRpcMessage =
    std::variant<JsonRpcResponse, JsonRpcRequest, JsonRpcNotification, JsonRpcInvalid>;

// The messages in `text`: one, or several in a batch (MCP 2025-03-26 allows batches). What is not
// JSON-RPC, or nests deeper than kMaxJsonDepth, comes back as JsonRpcInvalid. Never throws.
constexpr std::size_t kMaxJsonDepth = 64;
std::vector<JsonRpcMessage> ParseJsonRpc(std::string_view text);

std::string MakeRequest(std::int64_t id, std::string_view method, Json params);
std::string MakeNotification(std::string_view method, Json params = Json());
std::string MakeResult(const Json& id, Json result);
std::string MakeError(const Json& id, std::int64_t code, std::string_view message);

}  // namespace runner::ingest
