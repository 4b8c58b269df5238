#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "common/loop/event_loop.h"
#include "common/rpc/call_pool.h"
#include "common/rpc/token_auth.h"
#include "ingest/loop/ingest_loop.h"
#include "runner/v1/ingest_admin.grpc.pb.h"

namespace runner::ingest {

// Serves runner.v1.IngestAdmin. A pool of threads handles the calls: 4 run, 64 wait, more are
// rejected. Each call waits for the loop thread; if it does not respond within a second, the call
// fails with UNAVAILABLE.
class AdminService final : public v1::IngestAdmin::CallbackService {
 public:
  using Endpoints = std::unordered_map<std::string, std::string>;  // by cluster

  // All references must outlive the service. `token_auth` checks each call that changes state.
  AdminService(EventLoop& event_loop, IngestLoop& loop, TokenAuth& token_auth, Endpoints endpoints);

  // Replaces the endpoints of the configured clusters. Call on the loop thread.
  void SetEndpoints(Endpoints endpoints) { endpoints_ = std::move(endpoints); }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListClusters(grpc::CallbackServerContext* context,
                                         const v1::ListClustersRequest* request,
                                         v1::ListClustersResponse* response) override;
  grpc::ServerUnaryReactor* ListIncidents(grpc::CallbackServerContext* context,
                                          const v1::ListIncidentsRequest* request,
                                          v1::ListIncidentsResponse* response) override;
  grpc::ServerUnaryReactor* GetIncident(grpc::CallbackServerContext* context,
                                        const v1::GetIncidentRequest* request,
                                        v1::GetIncidentResponse* response) override;
  grpc::ServerUnaryReactor* SubmitEvent(grpc::CallbackServerContext* context,
                                        const v1::SubmitEventRequest* request,
                                        v1::SubmitEventResponse* response) override;
  grpc::ServerUnaryReactor* ExplainEvent(grpc::CallbackServerContext* context,
                                         const v1::ExplainEventRequest* request,
                                         v1::ExplainEventResponse* response) override;
  grpc::ServerUnaryReactor* CancelIncident(grpc::CallbackServerContext* context,
                                           const v1::CancelIncidentRequest* request,
                                           v1::CancelIncidentResponse* response) override;
  grpc::ServerUnaryReactor* RerunIncident(grpc::CallbackServerContext* context,
                                          const v1::RerunIncidentRequest* request,
                                          v1::RerunIncidentResponse* response) override;
  grpc::ServerUnaryReactor* ResetCircuitBreaker(grpc::CallbackServerContext* context,
                                                const v1::ResetCircuitBreakerRequest* request,
                                                v1::ResetCircuitBreakerResponse* response) override;

 private:
  grpc::Status AnswerGetStatus(const grpc::ServerContextBase* context,
                               const v1::GetStatusRequest* request,
                               v1::GetStatusResponse* response);
  grpc::Status AnswerListClusters(const grpc::ServerContextBase* context,
                                  const v1::ListClustersRequest* request,
                                  v1::ListClustersResponse* response);
  grpc::Status AnswerListIncidents(const grpc::ServerContextBase* context,
                                   const v1::ListIncidentsRequest* request,
                                   v1::ListIncidentsResponse* response);
  grpc::Status AnswerGetIncident(const grpc::ServerContextBase* context,
                                 const v1::GetIncidentRequest* request,
                                 v1::GetIncidentResponse* response);
  grpc::Status AnswerSubmitEvent(const grpc::ServerContextBase* context,
                                 const v1::SubmitEventRequest* request,
                                 v1::SubmitEventResponse* response);
  grpc::Status AnswerExplainEvent(const grpc::ServerContextBase* context,
                                  const v1::ExplainEventRequest* request,
                                  v1::ExplainEventResponse* response);
  grpc::Status AnswerCancelIncident(const grpc::ServerContextBase* context,
                                    const v1::CancelIncidentRequest* request,
                                    v1::CancelIncidentResponse* response);
  grpc::Status AnswerRerunIncident(const grpc::ServerContextBase* context,
                                   const v1::RerunIncidentRequest* request,
                                   v1::RerunIncidentResponse* response);
  grpc::Status AnswerResetCircuitBreaker(const grpc::ServerContextBase* context,
                                         const v1::ResetCircuitBreakerRequest* request,
                                         v1::ResetCircuitBreakerResponse* response);

  v1::GetStatusResponse Status(ClusterIndex begin, std::uint32_t page_size) const;
  v1::ListClustersResponse Clusters(ClusterIndex begin, std::uint32_t page_size) const;

  EventLoop& event_loop_;
  IngestLoop& loop_;
  TokenAuth& token_auth_;
  Endpoints endpoints_;  // loop thread
  const MonoTime started_;
  CallPool calls_{4, 64};
};

}  // namespace runner::ingest
