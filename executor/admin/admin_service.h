#pragma once

#include "common/inbox.h"
#include "executor/supervisor/supervisor.h"
#include "runner/v1/executor_admin.grpc.pb.h"

namespace runner::executor {

// Serves runner.v1.ExecutorAdmin. Every call asks the loop and waits for its answer on a thread of
// gRPC; a loop that does not answer within a second makes the call UNAVAILABLE.
class AdminService final : public v1::ExecutorAdmin::Service {
 public:
  AdminService(Inbox& inbox, const Supervisor& supervisor)
      : inbox_(inbox), supervisor_(supervisor) {}

  grpc::Status ListRuns(grpc::ServerContext* context, const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override;

 private:
  Inbox& inbox_;
  const Supervisor& supervisor_;
};

}  // namespace runner::executor
