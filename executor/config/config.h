#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config_table.h"
#include "common/config/standard_options.h"
#include "executor/loop/executor_options.h"
#include "executor/runs/agent_options.h"

namespace runner::executor {

enum class AgentStdin { kIncident, kNull };

// The configuration of runner-executor. Written by its table, read-only once the program has
// started.
struct ExecutorConfig {
  CommonOptions common;
  std::string ingest_address;
  std::uint32_t slots = 0;
  std::string executor_id;
  std::optional<bool> sidecar;  // set by the table, once ingest_address is known
  std::string agent_command;
  std::vector<std::string> trailing_command;
  Duration agent_timeout{};
  Duration agent_kill_grace{};
  std::uint64_t agent_max_output = 0;
  std::uint64_t agent_memory_limit = 0;
  std::uint64_t agent_workspace_limit = 0;
  AgentStdin agent_stdin = AgentStdin::kIncident;
  std::vector<std::string> agent_env;
  std::string report_file;
  std::uint64_t report_min_bytes = 0;
  std::string workspace_root;
  Duration workspace_max_age{};
  std::uint64_t workspace_max_bytes = 0;
  std::string kubeconfig_dir;
  bool kubeconfig_optional = false;

  // The words of the agent; [0] is an absolute path. Set by a check of the table.
  std::vector<std::string> command;

  // The variables that --agent-env passes on and that are not set.
  std::vector<std::string> MissingVariables(const EnvironmentLookup& environment) const;
  ExecutorOptions Executor() const;
  AgentOptions Agent() const;
};

// Returns the table that fills `config`, which outlives it. The program of the agent is looked up
// on the PATH of `environment`.
ConfigTable MakeConfigTable(ExecutorConfig* config, const EnvironmentLookup& environment);

}  // namespace runner::executor
