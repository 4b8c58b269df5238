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

// One MCP session of a server that pushes faults: what it answers to JSON-RPC requests and which
// notifications a fault becomes. No I/O.
class McpSession {
 public:
  static constexpr std::size_t kMaxSubscriptions = 10;
  static constexpr std::string_view kNewestVersion = "2025-11-25";

  static bool KnowsVersion(std::string_view version);
  // The whole JSON-RPC response to an `initialize` request: the version asked for when it is known,
  // else the newest.
  static nlohmann::ordered_json Initialize(const nlohmann::json& request);

  // `cluster`: what the server says of itself.
  McpSession(std::string cluster, std::uint64_t number)
      : cluster_(std::move(cluster)), number_(number) {}

  // The whole JSON-RPC response to any other request.
  nlohmann::ordered_json Answer(const nlohmann::json& request, WallTime now);
  // A notification of the client.
  void Notice(std::string_view method);

  // Subscribed, and a level that faults reach is set: without both nothing is ever sent.
  bool WantsFaults() const;
  // The notifications that tell of `fault`, one for each subscription.
  std::vector<std::string> Notifications(const FaultEvent& fault) const;

 private:
  struct Subscription {
    std::string id;
    std::string created_at;
  };
  // What a request comes to: a result, or an error with a code.
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
