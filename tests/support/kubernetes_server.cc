#include "tests/support/kubernetes_server.h"

#include <stdexcept>

#include "tests/support/eventually.h"
#include "tests/support/http_request.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

#if defined(__aarch64__)
const std::string kArchitecture = "arm64";
#else
const std::string kArchitecture = "amd64";
#endif

// package.json names them by the last number of the version.
std::filesystem::path Binary(const std::string& version) {
  const std::string number = version.substr(version.rfind('.') + 1);
  return std::filesystem::path(RUNNER_PEERS_DIR) / "node_modules" /
         ("kubernetes-mcp-server-" + number + "-linux-" + kArchitecture) / "bin" /
         ("kubernetes-mcp-server-linux-" + kArchitecture);
}

std::string Kubeconfig(const std::string& server) {
  return "apiVersion: v1\n"
         "kind: Config\n"
         "clusters: [{name: test, cluster: {server: \"" +
         server +
         "\"}}]\n"
         "contexts: [{name: test, context: {cluster: test, user: test}}]\n"
         "current-context: test\n"
         "users: [{name: test, user: {}}]\n";
}

}  // namespace

std::optional<std::string> KubernetesMcpServer::Missing(const std::string& version) {
  if (auto missing = NodePeer::Missing()) return missing;
  const auto binary = Binary(version);
  if (std::filesystem::exists(binary)) return std::nullopt;
  return binary.string() + " is missing: run npm ci in " RUNNER_PEERS_DIR;
}

KubernetesMcpServer::KubernetesMcpServer(std::string version, const KubernetesApi& api,
                                         std::filesystem::path directory)
    : version_(std::move(version)), directory_(std::move(directory)), port_(FreePort()) {
  WriteFile(directory_ / "kubeconfig", Kubeconfig(api.origin()));
  Start();
}

void KubernetesMcpServer::Start() {
  ChildProcess::Command command;
  command.argv = {Binary(version_).string(),
                  "--port",
                  std::to_string(port_),
                  "--kubeconfig",
                  (directory_ / "kubeconfig").string(),
                  "--read-only"};
  // Earlier versions lack the flag and listen on all interfaces.
  if (version_ >= "0.0.66")
    command.argv.insert(command.argv.end(), {"--bind-address", "127.0.0.1"});
  command.directory = directory_;
  command.stdout_file = directory_ / "kubernetes-mcp-server.out";
  command.stderr_file = directory_ / "kubernetes-mcp-server.log";
  process_ = std::make_unique<ChildProcess>(command);
  const bool up = Eventually(
      [&] { return HttpGet(origin() + "/healthz").status == 200 || !process_->Running(); });
  if (!up || !process_->Running()) {
    throw std::runtime_error("kubernetes-mcp-server " + version_ + " does not come up: " +
                             ReadFile(command.stdout_file) + ReadFile(command.stderr_file));
  }
}

void KubernetesMcpServer::Restart() {
  process_.reset();
  Start();
}

}  // namespace runner::support
