#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::executor {

// What an agent's environment is made from.
struct AgentEnvironmentInput {
  std::vector<std::string> own;      // this process' environment, NAME=VALUE each
  std::vector<std::string> extra;    // configured: NAME (passed on) or NAME=VALUE
  std::filesystem::path kubeconfig;  // of the incident's cluster; empty: it has none
  std::filesystem::path workspace;   // absolute
  std::string report_path;           // relative to the workspace
  Duration timeout{};
  WallTime now;
};

// <directory>/<cluster>.yaml, absolute, or nothing without a directory. `error` is an errno; 0 when
// there is such a file or no directory.
struct KubeconfigLookup {
  std::filesystem::path path;
  int error = 0;
};
KubeconfigLookup FindKubeconfig(const std::filesystem::path& directory, const std::string& cluster);

// What KUBECONFIG names where there is no kubeconfig: a file of the workspace that does not exist.
// Clients of Kubernetes then use the service account of their pod, if it has one, and never
// ~/.kube/config, which is the operator's.
inline constexpr const char* kNoKubeconfig = ".kubeconfig";

// The agent's whole environment as NAME=VALUE, sorted: of the own one only PATH, HOME, LANG, LC_*,
// TZ, TMPDIR, KUBERNETES_SERVICE_*; KUBECONFIG as kNoKubeconfig; what is configured; RUNNER_* from
// the incident; KUBECONFIG of the cluster. The later of these win. Values are cut at 4 KiB
// where they come from an event, and NUL bytes in them become '?': an event cannot add a variable.
std::vector<std::string> BuildAgentEnvironment(const AgentEnvironmentInput& input,
                                               const Lease& lease, const Incident& incident);

}  // namespace runner::executor
