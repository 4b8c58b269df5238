#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/child_process.h"

namespace runner::support {

// A script of tests/peers that serves on 127.0.0.1, with its control interface.
class NodePeer {
 public:
  // Why none can be started here; nothing if it can.
  static std::optional<std::string> Missing();

  // Starts NAME.mjs on a free port with `flags`; its outputs are NAME.out and NAME.log in
  // `directory`. Throws std::runtime_error if it does not start.
  NodePeer(std::string name, std::filesystem::path directory, std::vector<std::string> flags = {});

  // "http://127.0.0.1:PORT"; constant.
  std::string origin() const;
  // POST /ACTION of the control interface with this body, none if null; returns the response.
  // Throws std::runtime_error on an error.
  nlohmann::json Control(const std::string& action, const nlohmann::json& body = nullptr);
  // The same with a body that need not be JSON.
  nlohmann::json ControlText(const std::string& action, const std::string& body);
  // GET /state of the control interface.
  nlohmann::json State();

  void Kill() { process_->Kill(); }
  // Restarts it on the same port, without its state.
  void Restart();
  ChildProcess& process() { return *process_; }

 private:
  void Start();

  const std::string name_;
  const std::filesystem::path directory_;
  const std::vector<std::string> flags_;
  const int port_;
  int control_port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace runner::support
