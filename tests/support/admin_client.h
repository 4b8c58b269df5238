#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/support/status.h>

#include "runner/v1/executor_admin.pb.h"
#include "runner/v1/ingest_admin.pb.h"

namespace grpc {
class Channel;
class ChannelCredentials;
class ClientContext;
}  // namespace grpc

namespace runner::support {

// What an operator may ask. Every call is bounded in time; one that fails where an answer is due
// throws std::runtime_error.
class IngestClient {
 public:
  // Without credentials: in plain text.
  explicit IngestClient(const std::string& address,
                        std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr);

  grpc::Status Submit(const v1::SubmitEventRequest& request, v1::SubmitEventResponse* response);
  grpc::Status Get(const std::string& incident_id, v1::IncidentStatus* incident);
  // Newest first; of one state if it is named.
  std::vector<v1::IncidentStatus> List(const std::string& state = "");
  v1::GetStatusResponse Status();
  std::vector<v1::ClusterConnection> Clusters();
  // What became of events about a pod of this name, or of all if it has none, newest first;
  // NOT_FOUND is an empty list.
  std::vector<v1::EventExplanation> Explain(const std::string& pod);
  // What it answers; of a refusal the message.
  std::string Cancel(const std::string& incident_id);
  // The new incident.
  grpc::Status Rerun(const std::string& incident_id, std::string* new_incident_id);
  // The state that the breaker had.
  std::string ResetBreaker();

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

class ExecutorClient {
 public:
  explicit ExecutorClient(const std::string& address);
  std::vector<v1::Run> Runs();
  v1::ExecutorAdminGetStatusResponse Status();

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

std::shared_ptr<grpc::Channel> ChannelTo(
    const std::string& address, std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr);
// Gives the call ten seconds.
void Limit(grpc::ClientContext& context);

}  // namespace runner::support
