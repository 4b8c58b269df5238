#include "tests/support/node_peer.h"

#include <stdexcept>
#include <utility>

#include "tests/support/eventually.h"
#include "tests/support/http_request.h"
#include "tests/support/node_program.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

const std::filesystem::path kPeers = RUNNER_PEERS_DIR;

std::string Origin(int port) { return "http://127.0.0.1:" + std::to_string(port); }

}  // namespace

std::optional<std::string> NodePeer::Missing() {
  if (auto missing = NodeMissing()) return missing;
  if (!std::filesystem::exists(kPeers / "node_modules")) {
    return (kPeers / "node_modules").string() + " is missing: run npm ci there";
  }
  return std::nullopt;
}

NodePeer::NodePeer(std::string name, std::filesystem::path directory,
                   std::vector<std::string> flags)
    : name_(std::move(name)),
      directory_(std::move(directory)),
      flags_(std::move(flags)),
      port_(FreePort()) {
  Start();
}

void NodePeer::Start() {
  ChildProcess::Command command;
  command.argv = {kNodeProgram, (kPeers / (name_ + ".mjs")).string(), "--port",
                  std::to_string(port_)};
  command.argv.insert(command.argv.end(), flags_.begin(), flags_.end());
  command.directory = directory_;
  command.stdout_file = directory_ / (name_ + ".out");
  command.stderr_file = directory_ / (name_ + ".log");
  std::filesystem::remove(command.stdout_file);
  process_ = std::make_unique<ChildProcess>(command);
  nlohmann::json ports;
  Eventually([&] {
    ports = nlohmann::json::parse(ReadFile(command.stdout_file), nullptr, false);
    return ports.is_object() || !process_->Running();
  });
  if (!ports.is_object()) {
    throw std::runtime_error(name_ + " does not come up: " + ReadFile(command.stderr_file));
  }
  control_port_ = ports.at("control");
}

void NodePeer::Restart() {
  process_.reset();
  Start();
}

std::string NodePeer::origin() const { return Origin(port_); }

nlohmann::json NodePeer::Control(const std::string& action, const nlohmann::json& body) {
  return ControlText(action, body.is_null() ? "" : body.dump());
}

nlohmann::json NodePeer::ControlText(const std::string& action, const std::string& body) {
  const HttpAnswer answer = HttpPost(Origin(control_port_) + "/" + action, body);
  if (answer.status != 200) {
    throw std::runtime_error(name_ + ", " + action + ": " + std::to_string(answer.status) + " " +
                             answer.body);
  }
  return nlohmann::json::parse(answer.body);
}

nlohmann::json NodePeer::State() {
  const HttpAnswer answer = HttpGet(Origin(control_port_) + "/state");
  if (answer.status != 200) throw std::runtime_error(name_ + ", state: " + answer.body);
  return nlohmann::json::parse(answer.body);
}

}  // namespace runner::support
