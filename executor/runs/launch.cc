#include "executor/runs/launch.h"

#include <cerrno>
#include <chrono>
#include <utility>
#include <variant>

#include "executor/runs/finalize_run.h"
#include "executor/workspace/agent_environment.h"
#include "executor/workspace/incident_document.h"

namespace runner::executor {
namespace {

std::string Milliseconds(Duration duration) {
  return std::to_string(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

std::vector<std::string> ShimCommandLine(const AgentOptions& options, const Spool& spool,
                                         const Lease& lease, const Workspace& workspace,
                                         std::optional<MonoTime> lease_deadline) {
  std::vector<std::string> argv = {
      options.shim_path,
      "--incident",
      lease.incident_id,
      "--attempt",
      std::to_string(lease.attempt),
      "--workspace",
      workspace.path(),
      "--spool",
      spool.FileOf(lease),
      "--timeout-ms",
      Milliseconds(options.timeout),
      "--grace-ms",
      Milliseconds(options.kill_grace),
      "--lease-deadline-ns",
      std::to_string(lease_deadline ? ToMonotonicNs(*lease_deadline) : 0),
      "--max-output",
      std::to_string(options.max_output),
      "--memory-limit",
      std::to_string(options.memory_limit),
      "--workspace-limit",
      std::to_string(options.workspace_limit),
      "--descriptor-limit",
      std::to_string(options.descriptor_limit),
      "--stdin",
      options.stdin_incident ? "incident" : "null",
      "--"};
  argv.insert(argv.end(), options.command.begin(), options.command.end());
  return argv;
}

LaunchResult Failed(LaunchResult result, std::string step, int error) {
  result.failed_step = std::move(step);
  result.error = error;
  result.shortage = IsShortage(error);
  if (result.shortage && result.workspace) {
    result.workspace->Discard();
    result.workspace.reset();
  }
  return result;
}

}  // namespace

LaunchResult Launch(const AgentOptions& options, const std::vector<std::string>& own_environment,
                    Spool& spool, const Lease& lease, const Incident& incident, WallTime now,
                    std::optional<MonoTime> lease_deadline) {
  LaunchResult result;
  spool.Ensure();
  auto created = Workspace::Create(options.workspace_root, lease.incident_id);
  if (const auto* failure = std::get_if<WorkspaceError>(&created)) {
    return Failed(std::move(result), failure->what, failure->error);
  }
  const Workspace& workspace = result.workspace.emplace(std::get<Workspace>(std::move(created)));
  if (const int error = workspace.WriteIncident(IncidentDocument(lease, incident)); error != 0) {
    return Failed(std::move(result), "write incident.json", error);
  }
  const KubeconfigLookup kubeconfig =
      FindKubeconfig(options.kubeconfig_dir, incident.event.cluster);
  // A missing kubeconfig can be optional. One that exists and cannot be used is an error.
  const bool may_lack = options.kubeconfig_optional && kubeconfig.error == ENOENT;
  if (kubeconfig.error != 0 && !may_lack) {
    if (!IsShortage(kubeconfig.error)) result.failure = StartFailure::kKubeconfigMissing;
    return Failed(std::move(result), "find kubeconfig " + kubeconfig.path.string(),
                  kubeconfig.error);
  }
  const std::vector<std::string> environment = BuildAgentEnvironment(
      {.own = own_environment,
       .extra = options.env,
       .kubeconfig = kubeconfig.error == 0 ? kubeconfig.path : std::filesystem::path(),
       .workspace = workspace.path(),
       .report_path = options.report_file.empty() ? kDefaultReportFile : options.report_file,
       .timeout = options.timeout,
       .now = now},
      lease, incident);
  auto shim = ShimProcess::Start(ShimCommandLine(options, spool, lease, workspace, lease_deadline),
                                 environment);
  if (const auto* failure = std::get_if<ShimStartError>(&shim)) {
    if (!failure->spawned) return Failed(std::move(result), failure->what, failure->error);
    // The supervisor sweeps the processes that it may have left.
    result.failed_step = failure->what;
    result.error = failure->error;
    return result;
  }
  result.shim = std::get<ShimProcess>(std::move(shim));
  return result;
}

}  // namespace runner::executor
