#include "tests/support/system.h"

#include <stdexcept>

#include "tests/support/eventually.h"
#include "tests/support/process_table.h"

namespace runner::support {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStopLimit = 20s;
// An endpoint without a server.
constexpr const char* kRefusing = "http://127.0.0.1:9/mcp";

void Require(const std::function<bool()>& condition, const std::string& what) {
  if (!Eventually(condition)) throw std::runtime_error("not within the time limit: " + what);
}

}  // namespace

// --- start ------------------------------------------------------------------------------------

FaultServer& System::StartPeer(const Words& flags) {
  peer_ = std::make_unique<FaultServer>(directory(), flags);
  return *peer_;
}

FaultsimProcess& System::StartFaultsim(const Words& flags) {
  faultsims_.push_back(std::make_unique<FaultsimProcess>(directory(), flags));
  return *faultsims_.back();
}

ServiceProcess& System::StartIngest(const Words& flags) {
  Words all = {"--mcp-endpoint", peer_ ? peer_->endpoint() : kRefusing, "--cluster-name", kCluster};
  if (peer_) {
    all.insert(all.end(),
               {"--sse-reconnect-initial-delay", "0.1", "--sse-reconnect-max-delay", "0.5"});
  }
  all.insert(all.end(), flags.begin(), flags.end());
  return RunIngest(std::move(all));
}

ServiceProcess& System::StartIngestOf(const Words& clusters, const Words& flags) {
  Endpoints endpoints;
  for (const std::string& name : clusters) endpoints.emplace_back(name, kRefusing);
  return StartIngestAt(endpoints, flags);
}

ServiceProcess& System::StartIngestAt(const Endpoints& endpoints, const Words& flags) {
  std::string text = "clusters:\n";
  for (const auto& [name, endpoint] : endpoints) {
    text += "  - {name: " + name + ", endpoint: \"" + endpoint + "\"}\n";
  }
  return StartIngestWith(text, flags);
}

ServiceProcess& System::StartIngestWith(const std::string& file_text, const Words& flags) {
  const std::filesystem::path file = directory() / "ingest.yaml";
  WriteFile(file, file_text);
  Words all = {"--config", file};
  all.insert(all.end(), flags.begin(), flags.end());
  return RunIngest(std::move(all));
}

ServiceProcess& System::RunIngest(Words flags) {
  if (ingest_) old_logs_.push_back(ingest_->log());
  Words all = {"--grpc-listen", ingest_address_,      "--log-level",
               "debug",         "--shutdown-timeout", "10"};
  all.insert(all.end(), flags.begin(), flags.end());
  ingest_.reset();
  ingest_ = Run("ingest", RUNNER_INGEST, all, {});
  return *ingest_;
}

ServiceProcess& System::StartExecutor(const Words& agent, const Words& flags,
                                      const Environment& extra, std::string program) {
  Words all = {"--ingest-address",   ingest_address_,
               "--grpc-listen",      "127.0.0.1:0",
               "--executor-id",      "executor",
               "--workspace-root",   (directory() / "incidents").string(),
               "--log-level",        "debug",
               "--shutdown-timeout", "10"};
  all.insert(all.end(), flags.begin(), flags.end());
  all.push_back("--");
  all.insert(all.end(), agent.begin(), agent.end());
  if (program.empty()) program = RUNNER_EXECUTOR;
  executors_.push_back(Run("executor", program, all, extra));
  return *executors_.back();
}

std::unique_ptr<ServiceProcess> System::Run(const std::string& name, const std::string& program,
                                            Words flags, const Environment& extra) {
  const std::string whole_name = name + "-" + std::to_string(++starts_);
  std::filesystem::path stderr_file;
  if (pipes_) {
    stderr_file = directory() / (whole_name + ".fifo");
    readers_[whole_name] =
        std::make_unique<LogReader>(stderr_file, directory() / (whole_name + ".log"));
  }
  if (network_ == nullptr) {
    return std::make_unique<ServiceProcess>(whole_name, program, flags, extra, directory(),
                                            stderr_file);
  }
  flags.insert(flags.begin(), "--bind-address=0.0.0.0");
  const auto wrapper = directory() / ("separate-" + name);
  WriteFile(wrapper, "#!/bin/sh\nexec unshare --net " + program + " \"$@\"\n");
  std::filesystem::permissions(wrapper, std::filesystem::perms::owner_all);
  auto service = std::make_unique<ServiceProcess>(whole_name, wrapper, flags, extra, directory());
  const std::string address = network_->Connect(service->process().pid());
  service->ReachAt(address);
  if (name == "ingest")
    ingest_address_ = address + service->grpc().substr(service->grpc().rfind(':'));
  return service;
}

void System::Start(const Words& agent, const Words& ingest_flags, const Words& executor_flags) {
  if (!peer_) StartPeer();
  StartWithoutPeer(agent, ingest_flags, executor_flags);
  AwaitSubscribed();
}

void System::StartWithoutPeer(const Words& agent, const Words& ingest_flags,
                              const Words& executor_flags) {
  StartIngest(ingest_flags);
  StartExecutor(agent, executor_flags);
  AwaitAttached();
}

std::vector<ServiceProcess*> System::services() {
  std::vector<ServiceProcess*> all;
  for (const auto& executor : executors_) all.push_back(executor.get());
  if (ingest_) all.push_back(ingest_.get());
  return all;
}

// --- agents ---------------------------------------------------------------------------------

std::string System::ScriptAgent(const std::string& body) {
  const auto path = directory() / ("agent-" + std::to_string(++scripts_));
  WriteFile(path, "#!/bin/sh\n" + body);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

std::string System::TestAgent() {
  const auto path = directory() / "agent-test";
  if (!std::filesystem::exists(path)) std::filesystem::create_symlink(RUNNER_TEST_AGENT, path);
  return path;
}

std::filesystem::path System::Workspace(const std::string& incident_id) const {
  return directory() / "incidents" / incident_id;
}

std::vector<ProcessEntry> System::Agents() const {
  // Executors have it in their arguments as well; agents have it as their program.
  std::vector<ProcessEntry> found = ProcessesNaming((directory() / "agent-").string());
  std::erase_if(found, [](const ProcessEntry& entry) {
    return entry.command_line.starts_with(RUNNER_EXECUTOR);
  });
  return found;
}

// --- events ---------------------------------------------------------------------------------

v1::SubmitEventRequest System::Event(const std::string& name, const std::string& severity,
                                     const std::string& cluster) {
  v1::SubmitEventRequest request;
  request.set_cluster(cluster);
  request.set_fault_id("fault-" + name);
  request.set_fault_type("CrashLoop");
  request.set_severity(severity);
  request.mutable_resource()->set_api_version("v1");
  request.mutable_resource()->set_kind("Pod");
  request.mutable_resource()->set_namespace_("shop");
  request.mutable_resource()->set_name(name);
  request.mutable_resource()->set_uid("uid-" + name);
  request.set_context("back-off restarting failed container\n");
  return request;
}

std::string System::Submit(const std::string& name, const std::string& severity,
                           const std::string& cluster) {
  v1::SubmitEventResponse response;
  const grpc::Status status = Admin().Submit(Event(name, severity, cluster), &response);
  if (!status.ok() || response.result() != "queued") {
    throw std::runtime_error("not queued: " + status.error_message() + " " + response.result() +
                             " " + response.reason());
  }
  return response.incident_id();
}

v1::IncidentStatus System::AwaitFinished(const std::string& incident_id) {
  IngestClient admin = Admin();
  v1::IncidentStatus incident;
  Require([&] { return admin.Get(incident_id, &incident).ok() && incident.state() == "finished"; },
          "the end of incident " + incident_id);
  return incident;
}

std::vector<v1::IncidentStatus> System::AwaitFinished(std::size_t count) {
  IngestClient admin = Admin();
  std::vector<v1::IncidentStatus> finished;
  Require([&] { return (finished = admin.List("finished")).size() >= count; },
          std::to_string(count) + " finished incidents");
  return finished;
}

void System::AwaitSubscribed() {
  Require([this] { return ingest_->Metrics().Sum("sse_connections_active") == 1; },
          "a subscription");
}

void System::AwaitAttached() {
  Require([this] { return executor().Health("/readyz").status == 200; }, "an attached executor");
}

void System::AwaitAgentStarted(const std::string& incident_id) {
  Require([&] { return executor().log().Has("Agent started", {{"incident_id", incident_id}}); },
          "the start of the agent of " + incident_id);
}

// --- end --------------------------------------------------------------------------------------

std::string System::LogTails() {
  std::string text;
  for (const LogFile& log : old_logs_) text += "earlier ingest:\n" + log.Tail(30);
  for (ServiceProcess* service : services()) {
    text += service->name() + ":\n" + service->log().Tail(40);
  }
  if (peer_) text += "peer:\n" + LogFile(directory() / "fault-server.log").Tail(20);
  return text;
}

std::string System::Stop() {
  std::string wrong;
  for (ServiceProcess* service : services()) {
    const bool running = service->process().Running();
    service->Terminate();
    const auto exit = service->WaitForExit(kStopLimit);
    if (!exit) {
      wrong += service->name() + " does not end on SIGTERM\n";
      service->process().Kill();
    } else if (running && *exit != 0) {
      wrong += service->name() + " ends with " + std::to_string(*exit) + "\n";
    }
  }
  if (peer_) {
    peer_->process().Terminate();
    if (!peer_->process().WaitForExit(kStopLimit)) peer_->process().Kill();
  }
  for (const auto& faultsim : faultsims_) {
    const bool running = faultsim->process().Running();
    faultsim->process().Terminate();
    const auto exit = faultsim->process().WaitForExit(kStopLimit);
    if (!exit) faultsim->Kill();
    if (running && exit != 0) wrong += "runner-faultsim does not end on SIGTERM with 0\n";
  }
  return wrong;
}

}  // namespace runner::support
