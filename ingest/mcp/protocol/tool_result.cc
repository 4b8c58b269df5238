#include "ingest/mcp/protocol/tool_result.h"

#include <algorithm>
#include <optional>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"

namespace runner::ingest {
namespace {

// RFC 8259, section 2.
std::string_view SkipSpace(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// The JSON string that the text begins with; empty when it is something else, longer than `max`
// bytes, unfinished, or holds an escape.
std::string PlainString(std::string_view text, std::size_t max) {
  if (!text.starts_with('"')) return {};
  text.remove_prefix(1);
  const std::size_t end = text.find('"');
  if (end == std::string_view::npos || end > max) return {};
  text = text.substr(0, end);
  const auto plain = [](unsigned char c) { return c >= 0x20 && c != '\\'; };
  return std::all_of(text.begin(), text.end(), plain) ? std::string(text) : std::string();
}

// "Tool NAME not found", with nothing but the name between: a tool may fail because something else
// is not found.
bool ReportsToolNotFound(std::string_view text) {
  constexpr std::string_view kTool = "ool ";
  const std::size_t tool = text.find(kTool);
  if (tool == std::string_view::npos) return false;
  text.remove_prefix(tool + kTool.size());
  const std::size_t end = text.find(' ');
  return end != std::string_view::npos && text.substr(end + 1).starts_with("not found");
}

bool IsIdChar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_';
}

// The JSON object that the piece from `at` to `end` is in; where there is none, the lines of its
// list item, up to a blank line. At most kMaxEntry bytes to either side.
std::string_view EntryAround(std::string_view text, std::size_t at, std::size_t end) {
  constexpr std::size_t kMaxEntry = std::size_t{4} << 10;
  const std::size_t from = at - std::min(at, kMaxEntry);
  text = text.substr(from, std::min(text.size() - from, end - from + kMaxEntry));
  at -= from;
  end -= from;
  int depth = 0;
  std::size_t open = at;
  while (open > 0 && depth <= 0) depth += text[--open] == '{' ? 1 : text[open] == '}' ? -1 : 0;
  if (depth <= 0) {
    const std::size_t item = text.substr(0, at + 1).rfind("\n- ");
    const std::size_t blank = text.substr(0, at).rfind("\n\n");
    const auto begin = [](std::size_t found) {
      return found == std::string_view::npos ? 0 : found;
    };
    const std::size_t from_item = std::max(begin(item), begin(blank));
    const std::size_t close = std::min(text.find("\n\n", end), text.find("\n- ", end));
    return text.substr(from_item, std::min(close, text.size()) - from_item);
  }
  std::size_t close = end;
  for (; close < text.size() && depth > 0; ++close) {
    depth += text[close] == '{' ? 1 : text[close] == '}' ? -1 : 0;
  }
  return text.substr(open, close - open);
}

// Whether `key: word` is in the text, as JSON or as YAML.
bool HasMember(std::string_view entry, std::string_view key, std::string_view word) {
  for (std::size_t at = entry.find(key); at != std::string_view::npos;
       at = entry.find(key, at + 1)) {
    if (at > 0 && IsIdChar(entry[at - 1])) continue;
    std::string_view rest = entry.substr(at + key.size());
    if (rest.starts_with('"')) rest.remove_prefix(1);
    rest = SkipSpace(rest);
    if (!rest.starts_with(':')) continue;
    rest = SkipSpace(rest.substr(1));
    if (rest.starts_with('"')) rest.remove_prefix(1);
    if (rest.starts_with(word)) return true;
  }
  return false;
}

bool IsDegraded(std::string_view entry) {
  return HasMember(entry, "degraded", "true") || HasMember(entry, "status", "degraded");
}

std::optional<simdjson::dom::array> Array(const JsonIn& value) {
  simdjson::dom::array array;
  if (!value || value->get(array) != simdjson::SUCCESS) return std::nullopt;
  return array;
}

}  // namespace

std::string ToolText(const JsonIn& result) {
  const JsonMembers members(result, {"content", "isError"});
  const auto content = Array(members["content"]);
  std::string text;
  if (!content) return text;
  for (const simdjson::dom::element element : *content) {
    const JsonMembers part(element, {"type", "text"});
    if (part.Text("type") != "text" || !part["text"] || !part["text"]->is_string()) continue;
    text.append(part.Text("text")).append("\n");
  }
  return text;
}

bool ToolFailed(const JsonRpcResponse& response) {
  if (response.is_error) return true;
  const JsonMembers result(response.result, {"content", "isError"});
  if (!result.of_object() || !result.ambiguity().empty()) return true;
  bool failed = false;
  return result["isError"] && result["isError"]->get(failed) == simdjson::SUCCESS && failed;
}

bool ToolUnknown(const JsonRpcResponse& response) {
  constexpr std::int64_t kMethodNotFound = -32601;
  constexpr std::int64_t kInvalidParams = -32602;
  if (response.is_error) {
    return response.error_code == kMethodNotFound || response.error_code == kInvalidParams;
  }
  const std::string text = FailureText(response);
  return text.find("nknown tool") != std::string::npos ||
         text.find("ool not found") != std::string::npos || ReportsToolNotFound(text);
}

SubscriptionState StateOfSubscription(std::string_view text, const std::string& subscription_id) {
  constexpr int kMaxMentions = 16;
  SubscriptionState state = SubscriptionState::kMissing;
  int mentions = 0;
  for (std::size_t at = text.find(subscription_id);
       at != std::string_view::npos && mentions < kMaxMentions;
       at = text.find(subscription_id, at + 1)) {
    const std::size_t end = at + subscription_id.size();
    // A longer id that contains this one is another.
    if ((at > 0 && IsIdChar(text[at - 1])) || (end < text.size() && IsIdChar(text[end]))) continue;
    ++mentions;
    if (IsDegraded(EntryAround(text, at, end))) return SubscriptionState::kDegraded;
    state = SubscriptionState::kActive;
  }
  return state;
}

std::string FailureText(const JsonRpcResponse& response) {
  std::string text = response.is_error ? response.error_message : ToolText(response.result);
  while (text.ends_with('\n')) text.pop_back();
  return TruncateUtf8(SanitizeUtf8(text), 300);
}

std::string FindSubscriptionId(std::string_view text) {
  constexpr std::string_view kKey = "\"subscriptionId\"";
  for (std::size_t at = text.find(kKey); at != std::string_view::npos; at = text.find(kKey)) {
    text = SkipSpace(text.substr(at + kKey.size()));
    if (!text.starts_with(':')) continue;  // a word of the prose
    return PlainString(SkipSpace(text.substr(1)), kMaxSubscriptionId);
  }
  return {};
}

std::vector<std::string> ToolNames(const JsonIn& result) {
  std::vector<std::string> names;
  const JsonMembers members(result, {"tools", "nextCursor"});
  const auto tools = Array(members["tools"]);
  if (!tools) return names;
  for (const simdjson::dom::element element : *tools) {
    if (names.size() == kMaxToolNames) break;
    const JsonMembers tool(element, {"name"});
    const std::string_view name = tool.Text("name");
    if (!name.empty() && name.size() <= kMaxToolName) names.emplace_back(name);
  }
  return names;
}

std::string NextCursor(const JsonIn& result) {
  const JsonMembers members(result, {"tools", "nextCursor"});
  const std::string_view cursor = members.Text("nextCursor");
  return cursor.size() <= kMaxCursor ? std::string(cursor) : std::string();
}

}  // namespace runner::ingest
