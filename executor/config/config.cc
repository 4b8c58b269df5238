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
#include "common/config/option_names.h"
#include "executor/workspace/agent_command.h"

namespace runner::executor {
namespace {

std::string HostName() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "executor";
  return name.data();
}

void DeclareAttach(ConfigTable& table, ExecutorConfig* config) {
  config->executor_id = HostName();
  table
      .AddressText({.flag = "--ingest-address",
                    .env = {"INGEST_ADDRESS"},
                    .default_text = "127.0.0.1:50051",
                    .help = "where runner-ingest listens"},
                   &config->ingest_address)
      .Integer({.flag = "--slots",
                .env = {"EXECUTOR_SLOTS"},
                .default_text = "5",
                .help = "agents that may run here at once"},
               1u, 1000u, &config->slots)
      .String({.flag = "--executor-id",
               .env = {"EXECUTOR_ID"},
               .help = "name of this executor, unique among those of one ingest",
               .default_help = "host name"},
              &config->executor_id)
      .Bool({.flag = "--sidecar",
             .env = {"EXECUTOR_SIDECAR"},
             .help = "drain together with ingest",
             .default_help = "true when ingest is on loopback or a Unix socket"},
            &config->sidecar);
}

void DeclareAgent(ConfigTable& table, ExecutorConfig* config) {
  constexpr DurationRange kPositive{std::chrono::milliseconds(1), std::chrono::hours(24 * 365)};
  table
      .String({.flag = "--agent-command",
               .env = {"AGENT_COMMAND"},
               .help = "the agent and its arguments, split as a shell would; or -- COMMAND..."},
              &config->agent_command)
      .TrailingCommand("COMMAND", "the agent and its arguments", "--agent-command",
                       &config->trailing_command)
      .Seconds({.flag = "--agent-timeout",
                .env = {"AGENT_TIMEOUT_SECONDS", "AGENT_TIMEOUT"},
                .default_text = "300",
                .help = "how long an agent may run"},
               kPositive, &config->agent_timeout)
      .Seconds({.flag = "--agent-kill-grace",
                .env = {"AGENT_KILL_GRACE_SECONDS"},
                .default_text = "5",
                .help = "from SIGTERM to SIGKILL"},
               {Duration::zero(), std::chrono::hours(1)}, &config->agent_kill_grace)
      .Bytes({.flag = "--agent-max-output",
              .env = {"AGENT_MAX_OUTPUT_BYTES"},
              .default_text = "10485760",
              .help = "bytes kept of each of the agent's stdout and stderr"},
             &config->agent_max_output)
      .Bytes({.flag = "--agent-memory-limit",
              .env = {"AGENT_MEMORY_LIMIT_BYTES"},
              .default_text = "0",
              .help = "bytes that all processes of a run may have resident together; 0: any"},
             &config->agent_memory_limit)
      .Bytes({.flag = "--agent-workspace-limit",
              .env = {"AGENT_WORKSPACE_LIMIT_BYTES"},
              .default_text = "0",
              .help = "bytes that the workspace of a run may grow to; 0: any"},
             &config->agent_workspace_limit)
      .Enum<bool>({.flag = "--agent-stdin",
                   .env = {"AGENT_STDIN"},
                   .default_text = "incident",
                   .help = "what the agent reads: incident.json or nothing"},
                  {{"incident", true}, {"null", false}}, &config->agent_stdin_incident)
      .List({.flag = "--agent-env",
             .env = {"AGENT_ENV"},
             .help = "NAME to pass on to the agent, or NAME=VALUE",
             .secret = true},
            &config->agent_env);
}

void DeclareWorkspace(ConfigTable& table, ExecutorConfig* config) {
  table
      .String({.flag = "--report-file",
               .env = {"REPORT_FILE"},
               .help = "report that a run must leave, relative to its workspace"},
              &config->report_file)
      .Bytes({.flag = "--report-min-bytes",
              .env = {"REPORT_MIN_BYTES"},
              .default_text = "100",
              .help = "least size of that report"},
             &config->report_min_bytes)
      .Path({.flag = "--workspace-root",
             .env = {"WORKSPACE_ROOT"},
             .default_text = "./incidents",
             .help = "directory of the workspaces, one for each incident"},
            &config->workspace_root)
      .Seconds({.flag = "--workspace-max-age",
                .env = {"WORKSPACE_MAX_AGE_SECONDS"},
                .default_text = "7d",
                .help = "finished workspaces are removed after this time; 0: never"},
               {Duration::zero(), std::chrono::hours(24 * 3650)}, &config->workspace_max_age)
      .Bytes({.flag = "--workspace-max-bytes",
              .env = {"WORKSPACE_MAX_BYTES"},
              .default_text = "5368709120",
              .help = "the oldest finished workspaces are removed beyond this; 0: never"},
             &config->workspace_max_bytes)
      .String({.flag = "--kubeconfig-dir",
               .env = {"KUBECONFIG_DIR"},
               .help = "directory of <cluster>.yaml, given to agents as KUBECONFIG; a run of a "
                       "cluster without that file fails"},
              &config->kubeconfig_dir)
      .Bool({.flag = "--kubeconfig-optional",
             .env = {"KUBECONFIG_OPTIONAL"},
             .default_text = "false",
             .help = "run agents also for clusters without a file in --kubeconfig-dir"},
            &config->kubeconfig_optional);
}

// Words and program of the agent, or what is wrong with them.
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
             "; expected words as for a shell";
    }
    config.command = std::get<0>(std::move(words));
  }
  auto program = ResolveProgram(config.command.front(), search_path);
  if (const auto* error = std::get_if<CommandError>(&program)) {
    return "--agent-command: " + QuoteValue(config.command.front()) + ": " + error->message +
           "; expected a program that exists and is executable, by its path or on PATH";
  }
  config.command.front() = std::filesystem::absolute(std::get<0>(program)).string();
  return std::nullopt;
}

// Its owner may give a directory all permissions, which the spool does. Keeps errno.
bool CanBeRepaired(const std::filesystem::path& directory) {
  const int error = errno;
  struct stat status{};
  const bool is_owner =
      error == EACCES && ::stat(directory.c_str(), &status) == 0 && status.st_uid == ::geteuid();
  errno = error;
  return is_owner;
}

// The nearest directory that exists above the root must be one to write into.
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
                    "Takes incidents from runner-ingest and runs one agent for each.");
  table.File("executor", IngestOnlyKeys());
  DeclareAttach(table, config);
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
                return "--grpc-token-file: the token would go to " +
                       QuoteValue(config->ingest_address) +
                       " in plain text; expected --grpc-tls-cert, -key and -ca, or "
                       "--grpc-insecure";
              });
  table.Check({"--workspace-root"},
              [config] { return ValidateWorkspaceRoot(config->workspace_root); });
  table.Check({"--report-file"}, [config]() -> std::optional<std::string> {
    const std::filesystem::path report(config->report_file);
    for (const auto& part : report) {
      if (part == "..")
        return "--report-file: " + QuoteValue(config->report_file) +
               " leaves the workspace; expected a path below it, such as output/report.md";
    }
    if (!report.is_absolute()) return std::nullopt;
    return "--report-file: " + QuoteValue(config->report_file) +
           " is absolute; expected a path below the workspace, such as output/report.md";
  });
  table.Check({"--kubeconfig-dir", "--kubeconfig-optional"},
              [config]() -> std::optional<std::string> {
                std::error_code ignored;
                if (config->kubeconfig_dir.empty() || config->kubeconfig_optional ||
                    std::filesystem::is_directory(config->kubeconfig_dir, ignored)) {
                  return std::nullopt;
                }
                return "--kubeconfig-dir: " + QuoteValue(config->kubeconfig_dir) +
                       " is not a directory; expected a directory of <cluster>.yaml, or "
                       "--kubeconfig-optional";
              });
  table.Check({"--agent-env"}, [config]() -> std::optional<std::string> {
    for (const std::string& variable : config->agent_env) {
      // Its value may be a key, and is not repeated.
      if (variable.empty() || variable.front() == '=') {
        return "--agent-env: a variable has no name; expected NAME or NAME=VALUE";
      }
    }
    return std::nullopt;
  });
  table.Check({"--executor-id"}, [config]() -> std::optional<std::string> {
    if (!config->executor_id.empty() && config->executor_id.size() <= 253) return std::nullopt;
    return "--executor-id: " + QuoteValue(config->executor_id) +
           " has no valid length; expected 1 to 253 characters";
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
  agent.stdin_incident = agent_stdin_incident;
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
