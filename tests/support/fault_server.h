#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/child_process.h"

namespace runner::support {

// The MCP server of tests/peers, and the control side of it.
class FaultServer {
 public:
  // Why it cannot be started here; nothing when it can.
  static std::optional<std::string> Missing();

  // Its outputs go to `directory`. Throws std::runtime_error when it does not come up.
  explicit FaultServer(std::filesystem::path directory);

  std::string endpoint() const;
  // Sends a fault, or what is given of one; returns how many subscriptions were told.
  int Push(const nlohmann::json& fault = nlohmann::json::object());
  // Sends this as the data of a notification.
  int PushRaw(const std::string& data);
  // POST /ACTION of the control side.
  nlohmann::json Control(const std::string& action, const std::string& body = "");
  nlohmann::json State();
  // Sessions that have a subscription and an open stream.
  int Subscribed();

  // SIGKILL.
  void Kill() { process_->Kill(); }
  // On the same port as before.
  void Restart();
  ChildProcess& process() { return *process_; }

 private:
  void Start();

  const std::filesystem::path directory_;
  const int port_;
  int control_port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace runner::support
