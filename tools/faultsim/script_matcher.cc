#include "tools/faultsim/script_matcher.h"

#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace runner::faultsim {
namespace {

using nlohmann::json;

// The parts of the request body that rules match.
struct Message {
  std::string method;
  std::string tool;
};

std::string StringOf(const json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Message Read(const HttpRequest& request) {
  Message message;
  const json body = json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  message.method = StringOf(body, "method");
  if (message.method == "tools/call" && body.contains("params")) {
    message.tool = StringOf(body["params"], "name");
  }
  return message;
}

bool PathMatches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return path == pattern;
  return path.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool Fits(const Match& match, const HttpRequest& request, const Message& message) {
  return (!match.method || *match.method == request.method) &&
         (!match.path || PathMatches(*match.path, request.path)) &&
         (!match.rpc || *match.rpc == message.method) &&
         (!match.tool || *match.tool == message.tool);
}

}  // namespace

ScriptMatcher::ScriptMatcher(Script script) {
  for (Rule& rule : script.rules) rules_.push_back({std::move(rule), 0, {}});
}

std::shared_ptr<const Steps> ScriptMatcher::Match(const HttpRequest& request) {
  if (rules_.empty()) return nullptr;
  const Message message = Read(request);
  std::shared_ptr<const Steps> steps;
  for (Counted& counted : rules_) {
    const auto& match = counted.rule.match;
    if (!Fits(match, request, message)) continue;
    const std::uint64_t turn =
        match.per_session
            ? ++counted.seen_in_session[std::string(request.Header("mcp-session-id").value_or(""))]
            : ++counted.seen;
    if (!steps && turn >= match.from && turn <= match.to) steps = counted.rule.steps;
  }
  return steps;
}

}  // namespace runner::faultsim
