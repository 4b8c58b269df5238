#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "common/call_guard.h"
#include "common/inbox.h"
#include "executor/executor_loop.h"
#include "runner/v1/executor_admin.grpc.pb.h"

namespace runner::executor {

// Serves runner.v1.ExecutorAdmin. Every call asks the loop and waits for its answer on a thread of
// gRPC; a loop that does not answer within a second makes the call UNAVAILABLE. At most
// kMaxTails calls of TailOutput are served at a time, as each keeps a thread.
class AdminService final : public v1::ExecutorAdmin::Service {
 public:
  static constexpr int kMaxTails = 8;

  // `guard` is asked before anything is changed.
  AdminService(Inbox& inbox, ExecutorLoop& loop, CallGuard& guard)
      : inbox_(inbox), loop_(loop), guard_(guard), started_(inbox.Now().mono) {}

  grpc::Status GetStatus(grpc::ServerContext* context,
                         const v1::ExecutorAdminGetStatusRequest* request,
                         v1::ExecutorAdminGetStatusResponse* response) override;
  grpc::Status ListRuns(grpc::ServerContext* context, const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override;
  grpc::Status TailOutput(grpc::ServerContext* context, const v1::TailOutputRequest* request,
                          grpc::ServerWriter<v1::TailOutputResponse>* writer) override;
  grpc::Status CancelRun(grpc::ServerContext* context, const v1::CancelRunRequest* request,
                         v1::CancelRunResponse* response) override;

 private:
  // That attempt of the incident, or the latest; nothing inside: there is none. Nothing at all: the
  // loop does not answer.
  std::optional<std::optional<RunInfo>> Find(const std::string& incident_id,
                                             std::optional<std::uint32_t> attempt);
  grpc::Status Tail(grpc::ServerContext& context, const v1::TailOutputRequest& request,
                    grpc::ServerWriter<v1::TailOutputResponse>& writer);

  v1::ExecutorAdminGetStatusResponse Status() const;

  Inbox& inbox_;
  ExecutorLoop& loop_;
  CallGuard& guard_;
  const MonoTime started_;
  std::atomic<int> tails_{0};
};

}  // namespace runner::executor
