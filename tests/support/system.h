#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/admin_client.h"
#include "tests/support/fault_server.h"
#include "tests/support/faultsim_process.h"
#include "tests/support/log_reader.h"
#include "tests/support/network.h"
#include "tests/support/process_table.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"

namespace runner::support {

using Words = std::vector<std::string>;
// Names and endpoints of clusters.
using Endpoints = std::vector<std::pair<std::string, std::string>>;

// The real programs in a directory of their own: an MCP server, ingest, executors, agents. A
// program that is started again after its end keeps its addresses.
class System {
 public:
  static constexpr const char* kCluster = "prod";

  // --- to start -----------------------------------------------------------------------------
  // From here on ingest and executors are started in network namespaces of their own, at this
  // network, which outlives them. Ingest first, with what permits it to be reached from there.
  void SpreadOver(Network& network) { network_ = &network; }
  // Makes the logs of ingest and executors go through pipes from now on.
  void ReadLogsThroughPipes() { pipes_ = true; }
  LogReader& ReaderOf(const ServiceProcess& service) { return *readers_.at(service.name()); }
  // Sets the credentials of Admin(); plain text by default.
  void CallWith(std::shared_ptr<grpc::ChannelCredentials> credentials) {
    credentials_ = std::move(credentials);
  }
  // `flags`: see tests/peers/README.md.
  FaultServer& StartPeer(const Words& flags = {});
  // `flags`: see runner-faultsim --help.
  FaultsimProcess& StartFaultsim(const Words& flags = {});
  // Connects to the peer if there is one, else to an endpoint without a server.
  ServiceProcess& StartIngest(const Words& flags = {});
  // Starts ingest with a configuration file of clusters with these names, whose endpoints have no
  // server.
  ServiceProcess& StartIngestOf(const Words& clusters, const Words& flags = {});
  // The same with these endpoints.
  ServiceProcess& StartIngestAt(const Endpoints& endpoints, const Words& flags = {});
  // The same with a configuration file of this text.
  ServiceProcess& StartIngestWith(const std::string& file_text, const Words& flags = {});
  // May be started before ingest, whose address is fixed. `program` replaces runner-executor.
  ServiceProcess& StartExecutor(const Words& agent, const Words& flags = {},
                                const Environment& extra = {}, std::string program = "");
  // Starts all three, the peer unless it runs; returns when ingest is subscribed and the executor
  // is attached.
  void Start(const Words& agent, const Words& ingest_flags = {}, const Words& executor_flags = {});
  // Starts ingest and executor without a peer; returns when the executor is attached.
  void StartWithoutPeer(const Words& agent, const Words& ingest_flags = {},
                        const Words& executor_flags = {});

  FaultServer& peer() { return *peer_; }
  ServiceProcess& ingest() { return *ingest_; }
  ServiceProcess& executor() { return *executors_.back(); }
  // All programs that were started and not discarded, ingest last.
  std::vector<ServiceProcess*> services();
  IngestClient Admin() { return IngestClient(ingest_address_, credentials_); }

  // --- agents -------------------------------------------------------------------------------
  // A shell script in the directory of this system.
  std::string ScriptAgent(const std::string& body);
  // runner-test-agent, by a path in the directory of this system, which identifies its processes.
  std::string TestAgent();
  // A place where scripts and the test can exchange files.
  const std::filesystem::path& directory() const { return directory_.path(); }
  std::filesystem::path Workspace(const std::string& incident_id) const;
  // The processes of agents that still exist.
  std::vector<ProcessEntry> Agents() const;

  // --- events -------------------------------------------------------------------------------
  static v1::SubmitEventRequest Event(const std::string& name,
                                      const std::string& severity = "error",
                                      const std::string& cluster = kCluster);
  // Submits an event about a pod of that name and returns the id of its incident. Throws if it is
  // not queued.
  std::string Submit(const std::string& name, const std::string& severity = "error",
                     const std::string& cluster = kCluster);
  // Waits for the end of an incident. Throws on timeout.
  v1::IncidentStatus AwaitFinished(const std::string& incident_id);
  // Waits until this many incidents have ended; newest first.
  std::vector<v1::IncidentStatus> AwaitFinished(std::size_t count);
  void AwaitSubscribed();
  void AwaitAttached();
  // Waits until the agent of the incident runs. Throws on timeout.
  void AwaitAgentStarted(const std::string& incident_id);

  const std::string& ingest_address() const { return ingest_address_; }
  // The ends of all logs.
  std::string LogTails();
  // Stops everything: executors and ingest in order, by SIGTERM; the servers last. Returns the
  // errors.
  std::string Stop();

 private:
  ServiceProcess& RunIngest(Words flags);
  std::unique_ptr<ServiceProcess> Run(const std::string& name, const std::string& program,
                                      Words flags, const Environment& extra);

  const TempDir directory_;
  Network* network_ = nullptr;  // null: all run in the network namespace of this process
  bool pipes_ = false;
  std::map<std::string, std::unique_ptr<LogReader>> readers_;  // by the name of the service
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::string ingest_address_ = "127.0.0.1:" + std::to_string(FreePort());
  int scripts_ = 0;
  int starts_ = 0;
  std::unique_ptr<FaultServer> peer_;
  std::vector<std::unique_ptr<FaultsimProcess>> faultsims_;
  std::unique_ptr<ServiceProcess> ingest_;
  std::vector<std::unique_ptr<ServiceProcess>> executors_;
  std::vector<LogFile> old_logs_;
};

}  // namespace runner::support
