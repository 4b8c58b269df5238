#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/option_table.h"
#include "common/config/standard_options.h"
#include "executor/loop/executor_options.h"
#include "executor/runs/agent_options.h"

namespace runner::executor {

// Everything that runner-executor can be told at start.
struct ExecutorConfig {
  CommonOptions common;
  std::string ingest_address;
  std::uint32_t slots = 0;
  std::string executor_id;
  std::optional<bool> sidecar;
  std::string agent_command;
  std::vector<std::string> trailing_command;
  Duration agent_timeout{};
  Duration agent_kill_grace{};
  std::uint64_t agent_max_output = 0;
  std::uint64_t agent_memory_limit = 0;
  std::uint64_t agent_workspace_limit = 0;
  bool agent_stdin_incident = true;
  std::vector<std::string> agent_env;
  std::string report_file;
  std::uint64_t report_min_bytes = 0;
  std::string workspace_root;
  Duration workspace_max_age{};
  std::uint64_t workspace_max_bytes = 0;
  std::string kubeconfig_dir;
  bool kubeconfig_optional = false;

  // Resolved by the table's checks.
  std::vector<std::string> command;

  // Of --agent-env those that are to be taken from the environment, and are not there.
  std::vector<std::string> MissingVariables(const EnvironmentLookup& environment) const;
  ExecutorOptions Executor() const;
  AgentOptions Agent() const;
};

// The table that fills `config`, which outlives it. `environment` is asked for PATH when the
// agent's program is looked up.
ConfigTable MakeConfigTable(ExecutorConfig* config, const EnvironmentLookup& environment);

}  // namespace runner::executor
