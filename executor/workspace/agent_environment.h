#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::executor {

// The sources of an agent's environment.
struct AgentEnvironmentInput {
  std::vector<std::string> own;      // this process' environment, NAME=VALUE each
  std::vector<std::string> extra;    // from --agent-env: NAME (passed on) or NAME=VALUE
  std::filesystem::path kubeconfig;  // of the incident's cluster; empty: none
  std::filesystem::path workspace;   // absolute
  std::string report_path;           // relative to the workspace
  Duration timeout{};
  WallTime now;
};

// <directory>/<cluster>.yaml, absolute; nothing without a directory. `error` is an errno; 0 if the
// file exists or no directory is configured.
struct KubeconfigLookup {
  std::filesystem::path path;
  int error = 0;
};
KubeconfigLookup FindKubeconfig(const std::filesystem::path& directory, const std::string& cluster);

// The value of KUBECONFIG without a kubeconfig: a file of the workspace that does not exist.
// Kubernetes clients then use the service account of their pod, if any, and never ~/.kube/config,
// which is the operator's.
inline constexpr const char* kNoKubeconfig = ".kubeconfig";

// Returns the agent's complete environment as NAME=VALUE, sorted. Later sources override earlier
// ones: PATH, HOME, LANG, LC_*, TZ, TMPDIR and KUBERNETES_SERVICE_* of this process; KUBECONFIG as
// kNoKubeconfig; the configured variables; RUNNER_* of the incident; KUBECONFIG of the cluster.
// Values from an event are truncated to 4 KiB, and their NUL bytes become '?': an event cannot add
// a variable.
std::vector<std::string> BuildAgentEnvironment(const AgentEnvironmentInput& input,
                                               const Lease& lease, const Incident& incident);

}  // namespace runner::executor
