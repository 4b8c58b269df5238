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

// The calls of an operator. Every call has a deadline; a call that fails where a response is
// expected throws std::runtime_error.
class IngestClient {
 public:
  // Without credentials: plain text.
  explicit IngestClient(const std::string& address,
                        std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr);

  grpc::Status Submit(const v1::SubmitEventRequest& request, v1::SubmitEventResponse* response);
  grpc::Status Get(const std::string& incident_id, v1::IncidentStatus* incident);
  // Newest first; only those in `state` if it is not empty.
  std::vector<v1::IncidentStatus> List(const std::string& state = "");
  v1::GetStatusResponse Status();
  std::vector<v1::ClusterConnection> Clusters();
  // Explanations of the events about a pod of this name, or of all events if it is empty, newest
  // first; NOT_FOUND gives an empty list.
  std::vector<v1::EventExplanation> Explain(const std::string& pod);
  // Returns the result; on rejection the error message.
  std::string Cancel(const std::string& incident_id);
  // Returns the new incident.
  grpc::Status Rerun(const std::string& incident_id, std::string* new_incident_id);
  // Returns the previous state of the breaker.
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
// Sets a deadline of ten seconds.
void Limit(grpc::ClientContext& context);

}  // namespace runner::support
