#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "tests/support/child_process.h"
#include "tests/support/node_peer.h"

namespace runner::support {

// As much of the Kubernetes API as a KubernetesMcpServer needs.
class KubernetesApi : public NodePeer {
 public:
  // Its outputs go to `directory`. Throws std::runtime_error when it does not come up.
  explicit KubernetesApi(std::filesystem::path directory)
      : NodePeer("kubernetes-api", std::move(directory)) {}

  // Adds a v1 Event, or what is given of one, to those that are listed.
  void Add(const nlohmann::json& event = nlohmann::json::object()) { Control("event", event); }
};

// A released kubernetes-mcp-server. It pushes nothing; it has the tool events_list.
class KubernetesMcpServer {
 public:
  // Why that version cannot be started here; nothing when it can.
  static std::optional<std::string> Missing(const std::string& version);

  // `version`: "0.0.67", or "0.0.66", which has the transport of MCP 2024-11-05 as well. Its
  // outputs and its kubeconfig, which names `api`, go to `directory`. Returns when it listens;
  // throws std::runtime_error when it does not.
  KubernetesMcpServer(std::string version, const KubernetesApi& api,
                      std::filesystem::path directory);

  std::string endpoint() const { return origin() + "/mcp"; }
  // Only 0.0.66 serves it.
  std::string sse_endpoint() const { return origin() + "/sse"; }

  // SIGKILL.
  void Kill() { process_->Kill(); }
  // On the same port as before.
  void Restart();
  ChildProcess& process() { return *process_; }

 private:
  std::string origin() const { return "http://127.0.0.1:" + std::to_string(port_); }
  void Start();

  const std::string version_;
  const std::filesystem::path directory_;
  const int port_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace runner::support
