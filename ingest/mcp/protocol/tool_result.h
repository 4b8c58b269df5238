#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mcp/protocol/json_in.h"

namespace runner::ingest {

struct JsonRpcResponse;

// Reading the answers to tools/call and tools/list (MCP, Tools). An answer that is ambiguous
// (json_members.h) is a failed one without text. Pure.

// The text parts of a result, each followed by a line end.
std::string ToolText(const JsonIn& result);

// Whether the call failed: as JSON-RPC, or as the tool says by isError.
bool ToolFailed(const JsonRpcResponse& response);

// Whether it failed because the server has no such tool.
bool ToolUnknown(const JsonRpcResponse& response);

// The state of one subscription in a list of them. Degraded: the server lists it but has given up
// its watch, so it pushes nothing.
enum class SubscriptionState { kMissing, kActive, kDegraded };
SubscriptionState StateOfSubscription(std::string_view text, const std::string& subscription_id);

// Why it failed, for an error text; bounded.
std::string FailureText(const JsonRpcResponse& response);

// The value of "subscriptionId" in a text that holds a JSON object somewhere among prose. Only a
// JSON string without escapes and of at most kMaxSubscriptionId bytes counts, because the id is
// searched for verbatim in other texts. Empty if there is none.
constexpr std::size_t kMaxSubscriptionId = 128;
std::string FindSubscriptionId(std::string_view text);

// The names in an answer to tools/list, in their order: the first kMaxToolNames of those that are
// strings of 1 to kMaxToolName bytes. None if it is no such answer.
constexpr std::size_t kMaxToolNames = 1000;
constexpr std::size_t kMaxToolName = 256;
std::vector<std::string> ToolNames(const JsonIn& result);

// The cursor of the next page of a list (MCP, Pagination). Empty if there is none, or if it is
// longer than kMaxCursor bytes: a truncated cursor would have another meaning.
constexpr std::size_t kMaxCursor = 1024;
std::string NextCursor(const JsonIn& result);

}  // namespace runner::ingest
