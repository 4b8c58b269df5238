#include "tools/faultsim/mcp_session.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace runner::faultsim {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> kVersions = {McpSession::kNewestVersion, "2025-06-18",
                                                       "2025-03-26", "2024-11-05"};
constexpr std::array<std::string_view, 8> kLevels = {"debug", "info",     "notice", "warning",
                                                     "error", "critical", "alert",  "emergency"};
constexpr int kFaultLevel = 3;  // index of warning

constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;

// The string member `key` of `object`, or "".
std::string StringOf(const json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

ordered_json ToolText(std::string text, bool is_error = false) {
  ordered_json result;
  result["content"] = ordered_json::array({{{"type", "text"}, {"text", std::move(text)}}});
  if (is_error) result["isError"] = true;
  return result;
}

ordered_json Tool(const char* name, const char* description, ordered_json properties,
                  const std::vector<std::string>& required) {
  ordered_json schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = required;
  return {{"name", name}, {"description", description}, {"inputSchema", std::move(schema)}};
}

ordered_json ToolList() {
  return {
      {"tools",
       {Tool("events_subscribe", "Subscribe to faults. Call logging/setLevel first.",
             {{"mode", {{"type", "string"}, {"enum", ordered_json::array({"faults"})}}}}, {"mode"}),
        Tool("events_list_subscriptions", "The subscriptions of this session",
             ordered_json::object(), {}),
        Tool("events_unsubscribe", "End a subscription", {{"subscriptionId", {{"type", "string"}}}},
             {"subscriptionId"})}}};
}

ordered_json Envelope(const json& request) {
  const auto id = request.find("id");
  return {{"jsonrpc", "2.0"}, {"id", id == request.end() ? json() : *id}};
}

}  // namespace

std::string Rfc3339(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

bool McpSession::KnowsVersion(std::string_view version) {
  return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

ordered_json McpSession::Initialize(const json& request) {
  const auto params = request.find("params");
  std::string version = params == request.end() ? "" : StringOf(*params, "protocolVersion");
  if (!KnowsVersion(version)) version = kNewestVersion;
  ordered_json answer = Envelope(request);
  answer["result"] = {
      {"protocolVersion", version},
      {"capabilities", {{"logging", ordered_json::object()}, {"tools", {{"listChanged", false}}}}},
      {"serverInfo", {{"name", "runner-faultsim"}, {"version", "1"}}}};
  return answer;
}

ordered_json McpSession::Answer(const json& request, WallTime now) {
  const auto params = request.find("params");
  Outcome outcome = Dispatch(StringOf(request, "method"),
                             params == request.end() ? json::object() : *params, now);
  ordered_json answer = Envelope(request);
  if (outcome.error == 0) {
    answer["result"] = std::move(outcome.result);
  } else {
    answer["error"] = {{"code", outcome.error}, {"message", std::move(outcome.message)}};
  }
  return answer;
}

void McpSession::Notice(std::string_view method) {
  if (method == "notifications/initialized") initialized_ = true;
}

McpSession::Outcome McpSession::Dispatch(std::string_view method, const json& params,
                                         WallTime now) {
  if (method == "ping") return {ordered_json::object(), 0, {}};
  if (!initialized_) return {{}, kInvalidRequest, "the session is not initialized"};
  if (method == "logging/setLevel") return SetLevel(params);
  if (method == "tools/list") return {ToolList(), 0, {}};
  if (method == "tools/call") return CallTool(params, now);
  return {{}, kMethodNotFound, "method not found"};
}

McpSession::Outcome McpSession::SetLevel(const json& params) {
  const auto found = std::find(kLevels.begin(), kLevels.end(), StringOf(params, "level"));
  if (found == kLevels.end()) return {{}, kInvalidParams, "unknown level"};
  level_ = static_cast<int>(found - kLevels.begin());
  return {ordered_json::object(), 0, {}};
}

McpSession::Outcome McpSession::CallTool(const json& params, WallTime now) {
  const std::string name = StringOf(params, "name");
  const json arguments =
      params.is_object() ? params.value("arguments", json::object()) : json::object();
  if (name == "events_subscribe") return {Subscribe(arguments, now), 0, {}};
  if (name == "events_list_subscriptions") return {ListSubscriptions(), 0, {}};
  if (name == "events_unsubscribe") return {Unsubscribe(arguments), 0, {}};
  return {{}, kInvalidParams, "unknown tool"};
}

ordered_json McpSession::Subscribe(const json& arguments, WallTime now) {
  if (StringOf(arguments, "mode") != "faults") {
    return ToolText("invalid subscription filters: only mode \"faults\" is simulated", true);
  }
  if (subscriptions_.size() >= kMaxSubscriptions) {
    return ToolText("failed to create subscription: limit for this session reached", true);
  }
  subscriptions_.push_back(
      {"sub-" + std::to_string(number_) + "-" + std::to_string(next_subscription_++),
       Rfc3339(now)});
  ordered_json answer = Describe(subscriptions_.back());
  answer["status"] = "active";
  return ToolText("# Event Subscription Created\n\n" + answer.dump(2) +
                  "\n\nNotifications come as log messages.");
}

ordered_json McpSession::ListSubscriptions() const {
  ordered_json list = ordered_json::array();
  for (const Subscription& subscription : subscriptions_) {
    list.push_back(Describe(subscription));
    list.back()["degraded"] = false;
  }
  const ordered_json answer = {{"subscriptions", list}, {"total", list.size()}};
  return ToolText("# Active Subscriptions\n\n" + answer.dump(2));
}

ordered_json McpSession::Unsubscribe(const json& arguments) {
  const std::string id = StringOf(arguments, "subscriptionId");
  const auto gone =
      std::erase_if(subscriptions_, [&](const Subscription& known) { return known.id == id; });
  if (gone == 0) return ToolText("failed to cancel subscription: not found", true);
  const ordered_json answer = {{"subscriptionId", id}, {"cancelled", true}, {"status", "success"}};
  return ToolText("# Subscription Cancelled\n\n" + answer.dump(2));
}

ordered_json McpSession::Describe(const Subscription& subscription) const {
  return {{"subscriptionId", subscription.id},
          {"cluster", cluster_},
          {"mode", "faults"},
          {"filters", ordered_json::object()},
          {"createdAt", subscription.created_at}};
}

bool McpSession::WantsFaults() const {
  return level_ && *level_ <= kFaultLevel && !subscriptions_.empty();
}

std::vector<std::string> McpSession::Notifications(const FaultEvent& fault) const {
  std::vector<std::string> notifications;
  if (!WantsFaults()) return notifications;
  ordered_json resource = {{"apiVersion", fault.resource.api_version},
                           {"kind", fault.resource.kind},
                           {"name", fault.resource.name}};
  if (!fault.resource.namespace_.empty()) resource["namespace"] = fault.resource.namespace_;
  if (!fault.resource.uid.empty()) resource["uid"] = fault.resource.uid;
  for (const Subscription& subscription : subscriptions_) {
    ordered_json data = {{"subscriptionId", subscription.id},
                         {"cluster", cluster_},
                         {"faultId", fault.fault_id},
                         {"faultType", fault.fault_type},
                         {"severity", ToString(fault.severity)},
                         {"resource", resource}};
    if (!fault.context.empty()) data["context"] = fault.context;
    data["timestamp"] = Rfc3339(fault.timestamp);
    const ordered_json notification = {
        {"jsonrpc", "2.0"},
        {"method", "notifications/message"},
        {"params",
         {{"level", "warning"}, {"logger", "kubernetes/faults"}, {"data", std::move(data)}}}};
    notifications.push_back(notification.dump());
  }
  return notifications;
}

}  // namespace runner::faultsim
