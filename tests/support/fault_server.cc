#include "tests/support/fault_server.h"

#include <stdexcept>
#include <utility>

#include "tests/support/eventually.h"
#include "tests/support/http_request.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

const std::filesystem::path kPeers = RUNNER_PEERS_DIR;

nlohmann::json Answer(const HttpAnswer& answer) {
  if (answer.status != 200) {
    throw std::runtime_error("fault server: " + std::to_string(answer.status) + " " + answer.body);
  }
  return nlohmann::json::parse(answer.body);
}

}  // namespace

std::optional<std::string> FaultServer::Missing() {
  if (!FindProgram("node")) return "node is not on PATH";
  if (!std::filesystem::exists(kPeers / "node_modules")) {
    return (kPeers / "node_modules").string() + " is missing: run npm ci there";
  }
  return std::nullopt;
}

FaultServer::FaultServer(std::filesystem::path directory)
    : directory_(std::move(directory)), port_(FreePort()) {
  Start();
}

void FaultServer::Start() {
  ChildProcess::Command command;
  command.argv = {"node", (kPeers / "fault-server.mjs").string(), "--port", std::to_string(port_)};
  command.directory = directory_;
  command.stdout_file = directory_ / "peer.out";
  command.stderr_file = directory_ / "peer.log";
  std::filesystem::remove(command.stdout_file);
  process_ = std::make_unique<ChildProcess>(command);
  nlohmann::json ports;
  Eventually([&] {
    ports = nlohmann::json::parse(ReadFile(command.stdout_file), nullptr, false);
    return ports.is_object() || !process_->Running();
  });
  if (!ports.is_object()) {
    throw std::runtime_error("the fault server does not come up: " + ReadFile(command.stderr_file));
  }
  control_port_ = ports.at("control");
}

void FaultServer::Restart() {
  process_.reset();
  Start();
}

std::string FaultServer::endpoint() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/mcp";
}

nlohmann::json FaultServer::Control(const std::string& action, const std::string& body) {
  return Answer(HttpPost("http://127.0.0.1:" + std::to_string(control_port_) + "/" + action, body));
}

int FaultServer::Push(const nlohmann::json& fault) {
  return Control("fault", fault.dump()).at("sent");
}

int FaultServer::PushRaw(const std::string& data) { return Control("raw", data).at("sent"); }

nlohmann::json FaultServer::State() {
  return Answer(HttpGet("http://127.0.0.1:" + std::to_string(control_port_) + "/state"));
}

int FaultServer::Subscribed() {
  const nlohmann::json state = State();
  int count = 0;
  for (const auto& session : state.at("sessions")) {
    if (session.at("streamOpen") && !session.at("subscriptions").empty()) ++count;
  }
  return count;
}

}  // namespace runner::support
