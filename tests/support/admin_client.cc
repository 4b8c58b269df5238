#include "tests/support/admin_client.h"

#include <chrono>
#include <stdexcept>

#include <grpcpp/grpcpp.h>

#include "runner/v1/executor_admin.grpc.pb.h"
#include "runner/v1/ingest_admin.grpc.pb.h"

namespace runner::support {
namespace {

void Require(const grpc::Status& status, const char* call) {
  if (!status.ok()) throw std::runtime_error(std::string(call) + ": " + status.error_message());
}

}  // namespace

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address,
                                         std::shared_ptr<grpc::ChannelCredentials> credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Its own subchannel: a shared one may still be in backoff from an earlier process at this
  // address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (credentials == nullptr) credentials = grpc::InsecureChannelCredentials();
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

void Limit(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

IngestClient::IngestClient(const std::string& address,
                           std::shared_ptr<grpc::ChannelCredentials> credentials)
    : channel_(ChannelTo(address, std::move(credentials))) {}

grpc::Status IngestClient::Submit(const v1::SubmitEventRequest& request,
                                  v1::SubmitEventResponse* response) {
  grpc::ClientContext context;
  Limit(context);
  return v1::IngestAdmin::NewStub(channel_)->SubmitEvent(&context, request, response);
}

grpc::Status IngestClient::Get(const std::string& incident_id, v1::IncidentStatus* incident) {
  grpc::ClientContext context;
  Limit(context);
  v1::GetIncidentRequest request;
  request.set_incident_id(incident_id);
  v1::GetIncidentResponse response;
  grpc::Status status =
      v1::IngestAdmin::NewStub(channel_)->GetIncident(&context, request, &response);
  if (status.ok()) *incident = response.incident();
  return status;
}

std::vector<v1::IncidentStatus> IngestClient::List(const std::string& state) {
  grpc::ClientContext context;
  Limit(context);
  v1::ListIncidentsRequest request;
  request.set_state(state);
  v1::ListIncidentsResponse response;
  Require(v1::IngestAdmin::NewStub(channel_)->ListIncidents(&context, request, &response),
          "ListIncidents");
  return {response.incidents().begin(), response.incidents().end()};
}

v1::GetStatusResponse IngestClient::Status() {
  grpc::ClientContext context;
  Limit(context);
  v1::GetStatusResponse response;
  Require(v1::IngestAdmin::NewStub(channel_)->GetStatus(&context, {}, &response), "GetStatus");
  return response;
}

std::vector<v1::ClusterConnection> IngestClient::Clusters() {
  grpc::ClientContext context;
  Limit(context);
  v1::ListClustersResponse response;
  Require(v1::IngestAdmin::NewStub(channel_)->ListClusters(&context, {}, &response),
          "ListClusters");
  return {response.clusters().begin(), response.clusters().end()};
}

std::vector<v1::EventExplanation> IngestClient::Explain(const std::string& pod) {
  grpc::ClientContext context;
  Limit(context);
  v1::ExplainEventRequest request;
  if (!pod.empty()) {
    request.mutable_resource()->set_kind("Pod");
    request.mutable_resource()->set_name(pod);
  }
  v1::ExplainEventResponse response;
  const grpc::Status status =
      v1::IngestAdmin::NewStub(channel_)->ExplainEvent(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return {};
  Require(status, "ExplainEvent");
  return {response.explanations().begin(), response.explanations().end()};
}

std::string IngestClient::Cancel(const std::string& incident_id) {
  grpc::ClientContext context;
  Limit(context);
  v1::CancelIncidentRequest request;
  request.set_incident_id(incident_id);
  v1::CancelIncidentResponse response;
  const grpc::Status status =
      v1::IngestAdmin::NewStub(channel_)->CancelIncident(&context, request, &response);
  return status.ok() ? response.result() : status.error_message();
}

grpc::Status IngestClient::Rerun(const std::string& incident_id, std::string* new_incident_id) {
  grpc::ClientContext context;
  Limit(context);
  v1::RerunIncidentRequest request;
  request.set_incident_id(incident_id);
  v1::RerunIncidentResponse response;
  grpc::Status status =
      v1::IngestAdmin::NewStub(channel_)->RerunIncident(&context, request, &response);
  *new_incident_id = response.incident_id();
  return status;
}

std::string IngestClient::ResetBreaker() {
  grpc::ClientContext context;
  Limit(context);
  v1::ResetCircuitBreakerResponse response;
  Require(v1::IngestAdmin::NewStub(channel_)->ResetCircuitBreaker(&context, {}, &response),
          "ResetCircuitBreaker");
  return response.previous_state();
}

ExecutorClient::ExecutorClient(const std::string& address) : channel_(ChannelTo(address)) {}

std::vector<v1::Run> ExecutorClient::Runs() {
  grpc::ClientContext context;
  Limit(context);
  v1::ListRunsResponse response;
  Require(v1::ExecutorAdmin::NewStub(channel_)->ListRuns(&context, {}, &response), "ListRuns");
  return {response.runs().begin(), response.runs().end()};
}

v1::ExecutorAdminGetStatusResponse ExecutorClient::Status() {
  grpc::ClientContext context;
  Limit(context);
  v1::ExecutorAdminGetStatusResponse response;
  Require(v1::ExecutorAdmin::NewStub(channel_)->GetStatus(&context, {}, &response), "GetStatus");
  return response;
}

}  // namespace runner::support
