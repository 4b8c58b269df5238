#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/node_peer.h"

namespace runner::support {

// The MCP server of tests/peers, and the control side of it.
class FaultServer : public NodePeer {
 public:
  // `flags`: see tests/peers/README.md. Its outputs go to `directory`. Throws std::runtime_error
  // when it does not come up.
  explicit FaultServer(std::filesystem::path directory, std::vector<std::string> flags = {})
      : NodePeer("fault-server", std::move(directory), std::move(flags)) {}

  std::string endpoint() const { return origin() + "/mcp"; }
  // Where it is with --legacy-sse.
  std::string sse_endpoint() const { return origin() + "/sse"; }
  // Sends a fault, or what is given of one; returns how many subscriptions were told.
  int Push(const nlohmann::json& fault = nlohmann::json::object());
  // Sends this as the data of a notification.
  int PushRaw(const std::string& data);
  // Sessions that have a subscription and an open stream.
  int Subscribed();
};

}  // namespace runner::support
