#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/node_peer.h"

namespace runner::support {

// The MCP server of tests/peers, with its control interface.
class FaultServer : public NodePeer {
 public:
  // `flags`: see tests/peers/README.md. Its outputs go to `directory`. Throws std::runtime_error if
  // it does not start.
  explicit FaultServer(std::filesystem::path directory, std::vector<std::string> flags = {})
      : NodePeer("fault-server", std::move(directory), std::move(flags)) {}

  std::string endpoint() const { return origin() + "/mcp"; }
  // The endpoint with --legacy-sse.
  std::string sse_endpoint() const { return origin() + "/sse"; }
  // Sends a fault with these fields; returns the number of subscriptions that got it.
  int Push(const nlohmann::json& fault = nlohmann::json::object());
  // Sends this as the data of a notification.
  int PushRaw(const std::string& data);
  // Number of sessions with a subscription and an open stream.
  int Subscribed();
};

}  // namespace runner::support
