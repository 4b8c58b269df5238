#include "executor/config/config.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <variant>

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/values.h"
#include "executor/workspace/agent_command.h"

namespace runner::executor {
namespace {

std::string HostName() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "executor";
  return name.data();
}

void DeclareIngest(ConfigTable& table, ExecutorConfig* config) {
  config->executor_id = HostName();
  table.Add(AddressOption(SpecOf("--ingest-address"), &config->ingest_address))
      .Add(IntegerOption(SpecOf("--slots"), 1, 1000, &config->slots))
      .Add(TextOption(SpecOf("--executor-id"), &config->executor_id))
      .Add(SwitchOption(SpecOf("--sidecar"), &config->sidecar));
}

void DeclareAgent(ConfigTable& table, ExecutorConfig* config) {
  constexpr DurationRange kPositive{std::chrono::milliseconds(1), std::chrono::hours(24 * 365)};
  table.Add(TextOption(SpecOf("--agent-command"), &config->agent_command))
      .TrailingCommand("COMMAND", "--agent-command", &config->trailing_command)
      .Add(DurationOption(SpecOf("--agent-timeout"), kPositive, &config->agent_timeout))
      .Add(DurationOption(SpecOf("--agent-kill-grace"), {Duration::zero(), std::chrono::hours(1)},
                          &config->agent_kill_grace))
      .Add(BytesOption(SpecOf("--agent-max-output"), &config->agent_max_output))
      .Add(BytesOption(SpecOf("--agent-memory-limit"), &config->agent_memory_limit))
      .Add(BytesOption(SpecOf("--agent-workspace-limit"), &config->agent_workspace_limit))
      .Add(EnumOption<AgentStdin>(
          SpecOf("--agent-stdin"),
          {{"incident", AgentStdin::kIncident}, {"null", AgentStdin::kNull}}, &config->agent_stdin))
      .Add(ListOption(SpecOf("--agent-env"), &config->agent_env));
}

void DeclareWorkspace(ConfigTable& table, ExecutorConfig* config) {
  constexpr DurationRange kAge{Duration::zero(), std::chrono::hours(24 * 3650)};
  table.Add(TextOption(SpecOf("--report-file"), &config->report_file))
      .Add(BytesOption(SpecOf("--report-min-bytes"), &config->report_min_bytes))
      .Add(PathOption(SpecOf("--workspace-root"), &config->workspace_root))
      .Add(DurationOption(SpecOf("--workspace-max-age"), kAge, &config->workspace_max_age))
      .Add(BytesOption(SpecOf("--workspace-max-bytes"), &config->workspace_max_bytes))
      .Add(TextOption(SpecOf("--kubeconfig-dir"), &config->kubeconfig_dir))
      .Add(SwitchOption(SpecOf("--kubeconfig-optional"), &config->kubeconfig_optional));
}

// Sets `command`. Returns a problem, or nothing.
std::optional<std::string> ResolveCommand(ExecutorConfig& config, const std::string& search_path) {
  if (config.trailing_command.empty() && config.agent_command.empty()) {
    return "--agent-command: is required and not set; set --agent-command or AGENT_COMMAND, or end "
           "the command line with -- COMMAND...";
  }
  config.command = config.trailing_command;
  if (config.command.empty()) {
    auto words = SplitCommand(config.agent_command);
    if (const auto* error = std::get_if<CommandError>(&words)) {
      return "--agent-command: " + QuoteValue(config.agent_command) + ": " + error->message +
             "; expected words as in a shell";
    }
    config.command = std::get<0>(std::move(words));
  }
  auto program = ResolveProgram(config.command.front(), search_path);
  if (const auto* error = std::get_if<CommandError>(&program)) {
    return "--agent-command: " + QuoteValue(config.command.front()) + ": " + error->message +
           "; expected an executable program, by its path or on PATH";
  }
  config.command.front() = std::filesystem::absolute(std::get<0>(program)).string();
  return std::nullopt;
}

// The owner of a directory can change its permissions, as the spool does. Keeps errno.
bool CanBeRepaired(const std::filesystem::path& directory) {
  const int error = errno;
  struct stat status{};
  const bool is_owner =
      error == EACCES && ::stat(directory.c_str(), &status) == 0 && status.st_uid == ::geteuid();
  errno = error;
  return is_owner;
}

// The root, or the nearest directory above it that exists, must be writable.
std::optional<std::string> ValidateWorkspaceRoot(const std::string& root) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(root, error);
  std::filesystem::path path = whole;
  while (!error && path.has_relative_path() && !std::filesystem::exists(path, error) && !error) {
    path = path.parent_path();
  }
  std::string what;
  if (error) {
    what = error.message();
  } else if (!std::filesystem::is_directory(path, error)) {
    what = path.string() + " is not a directory";
  } else if (::access(path.c_str(), W_OK | X_OK) != 0 && !(path == whole && CanBeRepaired(path))) {
    what = path.string() + ": " + std::generic_category().message(errno);
  } else {
    return std::nullopt;
  }
  return "--workspace-root: " + QuoteValue(root) + " cannot be used: " + what +
         "; expected a directory that this user can create or write to";
}

std::filesystem::path ShimPath() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "runner-shim";
}

}  // namespace

ConfigTable MakeConfigTable(ExecutorConfig* config, const EnvironmentLookup& environment) {
  ConfigTable table("runner-executor",
                    "Leases incidents from runner-ingest and runs an agent for each.");
  table.File(Program::kExecutor);
  DeclareIngest(table, config);
  DeclareAgent(table, config);
  DeclareWorkspace(table, config);
  DeclareCommonOptions(table, {9091, 8081, "127.0.0.1:50052"}, &config->common);
  table.Check({"--agent-command"}, [config, environment] {
    return ResolveCommand(*config, environment("PATH").value_or("/usr/bin:/bin"));
  });
  table.Check({"--sidecar", "--ingest-address"}, [config]() -> std::optional<std::string> {
    const auto address = ParseAddress(config->ingest_address);
    if (!config->sidecar) config->sidecar = address && address->IsLocal();
    return std::nullopt;
  });
  table.Check({"--ingest-address", "--grpc-token-file", "--grpc-tls-cert", "--grpc-insecure"},
              [config]() -> std::optional<std::string> {
                const CommonOptions& common = config->common;
                const auto address = ParseAddress(config->ingest_address);
                const bool plain = common.grpc_tls.certificate.empty() && !common.grpc_insecure;
                if (common.grpc_token_file.empty() || !plain || !address || address->IsLocal()) {
                  return std::nullopt;
                }
                return "--grpc-token-file: the token would be sent to " +
                       QuoteValue(config->ingest_address) +
                       " without TLS; expected --grpc-tls-cert, --grpc-tls-key and --grpc-tls-ca, "
                       "or --grpc-insecure";
              });
  table.Check({"--workspace-root"},
              [config] { return ValidateWorkspaceRoot(config->workspace_root); });
  table.Check({"--report-file"}, [config]() -> std::optional<std::string> {
    const std::filesystem::path report(config->report_file);
    for (const auto& part : report) {
      if (part == "..")
        return "--report-file: " + QuoteValue(config->report_file) +
               " is outside the workspace; expected a relative path without .., such as "
               "output/report.md";
    }
    if (!report.is_absolute()) return std::nullopt;
    return "--report-file: " + QuoteValue(config->report_file) +
           " is absolute; expected a path relative to the workspace, such as output/report.md";
  });
  table.Check({"--kubeconfig-dir", "--kubeconfig-optional"},
              [config]() -> std::optional<std::string> {
                std::error_code ignored;
                if (config->kubeconfig_dir.empty() || config->kubeconfig_optional ||
                    std::filesystem::is_directory(config->kubeconfig_dir, ignored)) {
                  return std::nullopt;
                }
                return "--kubeconfig-dir: " + QuoteValue(config->kubeconfig_dir) +
                       " is not a directory; expected a directory of <cluster>.yaml files, or "
                       "--kubeconfig-optional";
              });
  table.Check({"--agent-env"}, [config]() -> std::optional<std::string> {
    for (const std::string& variable : config->agent_env) {
      // The value may be a secret, and is not shown.
      if (variable.empty() || variable.front() == '=') {
        return "--agent-env: a variable has no name; expected NAME or NAME=VALUE";
      }
    }
    return std::nullopt;
  });
  table.Check({"--executor-id"}, [config]() -> std::optional<std::string> {
    if (!config->executor_id.empty() && config->executor_id.size() <= 253) return std::nullopt;
    return "--executor-id: " + QuoteValue(config->executor_id) +
           " has an invalid length; expected 1 to 253 bytes";
  });
  return table;
}

std::vector<std::string> ExecutorConfig::MissingVariables(
    const EnvironmentLookup& environment) const {
  std::vector<std::string> missing;
  for (const std::string& variable : agent_env) {
    if (variable.find('=') == std::string::npos && !environment(variable)) {
      missing.push_back(variable);
    }
  }
  return missing;
}

ExecutorOptions ExecutorConfig::Executor() const {
  return {.executor_id = executor_id,
          .slots = slots,
          .sidecar = sidecar.value_or(false),
          .ingest_address = ingest_address,
          .kill_grace = agent_kill_grace,
          .retention = {.max_age = workspace_max_age, .max_bytes = workspace_max_bytes}};
}

AgentOptions ExecutorConfig::Agent() const {
  AgentOptions agent;
  agent.command = command;
  agent.timeout = agent_timeout;
  agent.kill_grace = agent_kill_grace;
  agent.max_output = agent_max_output;
  agent.memory_limit = agent_memory_limit;
  agent.workspace_limit = agent_workspace_limit;
  agent.stdin_incident = agent_stdin == AgentStdin::kIncident;
  agent.env = agent_env;
  agent.report_file = report_file;
  agent.report_min_bytes = report_min_bytes;
  agent.workspace_root = std::filesystem::absolute(workspace_root).lexically_normal();
  agent.kubeconfig_dir = kubeconfig_dir;
  agent.kubeconfig_optional = kubeconfig_optional;
  agent.shim_path = ShimPath();
  return agent;
}

}  // namespace runner::executor
