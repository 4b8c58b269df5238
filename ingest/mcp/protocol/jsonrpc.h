#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <simdjson.h>

#include "ingest/mcp/protocol/json_in.h"
#include "ingest/mcp/protocol/json_out.h"

namespace runner::ingest {

// The messages of JSON-RPC 2.0 as MCP uses them.
struct JsonRpcResponse {
  std::int64_t id = 0;
  JsonIn result;  // nothing when it is an error
  bool is_error = false;
  std::int64_t error_code = 0;
  std::string error_message;
  JsonIn error_data;
};
struct JsonRpcRequest {
  std::string id;  // of the peer: the JSON text of a string or a number, to be sent back as it is
  std::string method;
};
struct JsonRpcNotification {
  std::string method;
  JsonIn params;
};
struct JsonRpcInvalid {
  std::string what;
};

using JsonRpcMessage =
    std::variant<JsonRpcResponse, JsonRpcRequest, JsonRpcNotification, JsonRpcInvalid>;

// Bounds on what a peer may send; beyond them a message is invalid.
constexpr std::size_t kMaxJsonText = std::size_t{16} << 20;  // bytes, a whole batch together
constexpr std::size_t kMaxJsonDepth = 64;                    // not counting what is empty
constexpr std::size_t kMaxBatch = 1000;                      // messages
constexpr std::size_t kMaxRequestId = 1024;                  // bytes of its JSON text

// Parses messages of a peer. The next message reuses the memory of the parser, about 15
// bytes for each byte of the largest one: one reader serves all sessions of a thread. Not
// thread-safe.
class JsonRpcReader {
 public:
  // The messages in `text`: one, or several in a batch (MCP 2025-03-26 allows batches). Other
  // text is returned as JsonRpcInvalid, and so is text with invalid UTF-8, a number beyond 64 bits,
  // or one of the keys above twice in a message. Each JsonIn is valid until the next Read or
  // Trim. Never throws.
  std::vector<JsonRpcMessage> Read(std::string_view text);

  // Frees the memory of a large message. Must be called when its values are no longer used.
  void Trim();

  // Length of a message up to which the parser allocates nothing, in bytes.
  std::size_t capacity() const { return parser_.capacity(); }

 private:
  simdjson::dom::parser parser_{kMaxJsonText};
};

std::string MakeRequest(std::int64_t id, std::string_view method, Json params);
std::string MakeNotification(std::string_view method, Json params = Json());
// `id` is that of a JsonRpcRequest.
std::string MakeResult(std::string_view id, const Json& result);
std::string MakeError(std::string_view id, std::int64_t code, std::string_view message);

}  // namespace runner::ingest
