#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/incident.h"

namespace runner::executor {

// What an agent's environment is made from.
struct AgentEnvironmentInput {
  std::vector<std::string> own;          // this process' environment, NAME=VALUE each
  std::vector<std::string> extra;        // configured: NAME (passed on) or NAME=VALUE
  std::filesystem::path kubeconfig_dir;  // may be empty
  std::filesystem::path workspace;       // absolute
  std::string report_path;               // relative to the workspace
  Duration timeout{};
  WallTime now;
};

// The agent's whole environment as NAME=VALUE, sorted: of the own one only PATH, HOME, LANG, LC_*,
// TZ, TMPDIR, KUBERNETES_SERVICE_* and what is configured; RUNNER_* from the incident; KUBECONFIG
// when <kubeconfig_dir>/<cluster>.yaml exists. The later of these win. Values are cut at 4 KiB
// where they come from an event, and NUL bytes in them become '?': an event cannot add a variable.
std::vector<std::string> BuildAgentEnvironment(const AgentEnvironmentInput& input,
                                               const Lease& lease, const Incident& incident);

}  // namespace runner::executor
