#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ingest/mcp/json_in.h"

namespace runner::ingest {

struct JsonRpcResponse;

// Reading the answers to tools/call (MCP, Tools, "Calling Tools"). An answer that is ambiguous
// (json_members.h) is a failed one without text. Pure.

// The text parts of a result, each followed by a line end.
std::string ToolText(const JsonIn& result);

// Whether the call failed: as JSON-RPC, or as the tool says by isError.
bool ToolFailed(const JsonRpcResponse& response);

// Whether it failed because the server has no such tool.
bool ToolUnknown(const JsonRpcResponse& response);

// Whether the text names this subscription, and not merely one that begins the same.
bool NamesSubscription(std::string_view text, const std::string& subscription_id);

// Why it failed, for people; bounded.
std::string FailureText(const JsonRpcResponse& response);

// The value of "subscriptionId" in a text that holds a JSON object somewhere among prose. Only a
// JSON string without escapes and of at most kMaxSubscriptionId bytes counts: the id is looked for
// in other texts as it stands. Empty when there is none.
constexpr std::size_t kMaxSubscriptionId = 128;
std::string FindSubscriptionId(std::string_view text);

}  // namespace runner::ingest
