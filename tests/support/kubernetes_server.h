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

// The part of the Kubernetes API that a KubernetesMcpServer needs.
class KubernetesApi : public NodePeer {
 public:
  // Its outputs go to `directory`. Throws std::runtime_error if it does not start.
  explicit KubernetesApi(std::filesystem::path directory)
      : NodePeer("kubernetes-api", std::move(directory)) {}

  // Adds a v1 Event with these fields to the list.
  void Add(const nlohmann::json& event = nlohmann::json::object()) { Control("event", event); }
};

// A released kubernetes-mcp-server. It has no notifications, but the tool events_list.
class KubernetesMcpServer {
 public:
  // Why that version cannot be started here; nothing if it can.
  static std::optional<std::string> Missing(const std::string& version);

  // `version`: "0.0.67", or "0.0.66", which also has the transport of MCP 2024-11-05. Its outputs
  // and its kubeconfig, which names `api`, go to `directory`. Returns when it listens; throws
  // std::runtime_error if it does not.
  KubernetesMcpServer(std::string version, const KubernetesApi& api,
                      std::filesystem::path directory);

  std::string endpoint() const { return origin() + "/mcp"; }
  // Only with 0.0.66.
  std::string sse_endpoint() const { return origin() + "/sse"; }

  void Kill() { process_->Kill(); }
  // Restarts it on the same port.
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
