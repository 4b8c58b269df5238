#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::faultsim {

// One session of an MCP server that pushes faults: its responses to JSON-RPC requests and its fault
// notifications. No I/O.
class McpSession {
 public:
  static constexpr std::size_t kMaxSubscriptions = 10;
  static constexpr std::string_view kNewestVersion = "2025-11-25";

  static bool KnowsVersion(std::string_view version);
  // Returns the JSON-RPC response to an `initialize` request, with the requested protocol version
  // if it is known, else the newest.
  static nlohmann::ordered_json Initialize(const nlohmann::json& request);

  // `cluster`: the cluster name that the server reports.
  McpSession(std::string cluster, std::uint64_t number)
      : cluster_(std::move(cluster)), number_(number) {}

  // Returns the JSON-RPC response to any other request.
  nlohmann::ordered_json Answer(const nlohmann::json& request, WallTime now);
  // Handles a notification from the client.
  void Notice(std::string_view method);

  // True if the client has subscribed and has set a log level that includes faults.
  bool WantsFaults() const;
  // Returns the notifications for `fault`, one for each subscription.
  std::vector<std::string> Notifications(const FaultEvent& fault) const;

 private:
  struct Subscription {
    std::string id;
    std::string created_at;
  };
  // The result of a request: a result, or an error with a code.
  struct Outcome {
    nlohmann::ordered_json result;
    int error = 0;
    std::string message;
  };

  Outcome Dispatch(std::string_view method, const nlohmann::json& params, WallTime now);
  Outcome SetLevel(const nlohmann::json& params);
  Outcome CallTool(const nlohmann::json& params, WallTime now);
  nlohmann::ordered_json Subscribe(const nlohmann::json& arguments, WallTime now);
  nlohmann::ordered_json ListSubscriptions() const;
  nlohmann::ordered_json Unsubscribe(const nlohmann::json& arguments);
  nlohmann::ordered_json Describe(const Subscription& subscription) const;

  std::string cluster_;
  std::uint64_t number_;
  bool initialized_ = false;
  std::optional<int> level_;
  std::vector<Subscription> subscriptions_;
  std::uint64_t next_subscription_ = 1;
};

// RFC 3339, UTC, whole seconds.
std::string Rfc3339(WallTime time);

}  // namespace runner::faultsim
