#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace runner::executor {

// How this executor runs every agent. Fixed for the life of the process.
struct AgentOptions {
  std::vector<std::string> command;  // not empty; [0] is an absolute path
  Duration timeout = std::chrono::minutes(5);
  Duration kill_grace = std::chrono::seconds(5);  // from SIGTERM to SIGKILL
  std::uint64_t max_output = 10 << 20;            // bytes kept of each of stdout and stderr
  std::uint64_t memory_limit = 0;                 // bytes resident in a run's tree; 0: no limit
  std::uint64_t workspace_limit = 0;              // bytes in a run's workspace; 0: no limit
  std::uint64_t descriptor_limit = 0;  // soft limit of an agent's open files; 0: inherited
  bool stdin_incident = true;          // false: /dev/null
  std::vector<std::string> env;        // NAME (passed on) or NAME=VALUE
  std::string report_file;             // relative to the workspace; empty: not required
  std::uint64_t report_min_bytes = 100;
  std::filesystem::path workspace_root;
  std::filesystem::path kubeconfig_dir;  // of <cluster>.yaml; empty: agents get no kubeconfig
  bool kubeconfig_optional = false;      // start the agent even if its cluster has no kubeconfig
  std::filesystem::path shim_path;       // absolute path of runner-shim
};

}  // namespace runner::executor
