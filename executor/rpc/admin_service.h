#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "common/loop/event_loop.h"
#include "common/rpc/call_pool.h"
#include "common/rpc/token_auth.h"
#include "executor/loop/executor_loop.h"
#include "runner/v1/executor_admin.grpc.pb.h"

namespace runner::executor {

// Serves runner.v1.ExecutorAdmin. Every call queries the loop and waits for the result on a thread
// of a pool: four run, 64 wait, further calls are rejected. If the loop does not respond within a
// second, the call fails as UNAVAILABLE. At most kMaxTails calls of TailOutput run at a time, in
// addition to those four, since each occupies a thread of the pool.
class AdminService final : public v1::ExecutorAdmin::CallbackService {
 public:
  static constexpr int kMaxTails = 8;

  // `token_auth` checks every call that changes something.
  AdminService(EventLoop& event_loop, ExecutorLoop& loop, TokenAuth& token_auth)
      : event_loop_(event_loop),
        loop_(loop),
        token_auth_(token_auth),
        started_(event_loop.Now().mono) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::ExecutorAdminGetStatusRequest* request,
                                      v1::ExecutorAdminGetStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* request,
                                     v1::ListRunsResponse* response) override;
  grpc::ServerWriteReactor<v1::TailOutputResponse>* TailOutput(
      grpc::CallbackServerContext* context, const v1::TailOutputRequest* request) override;
  grpc::ServerUnaryReactor* CancelRun(grpc::CallbackServerContext* context,
                                      const v1::CancelRunRequest* request,
                                      v1::CancelRunResponse* response) override;

 private:
  grpc::Status AnswerGetStatus(v1::ExecutorAdminGetStatusResponse* response);
  grpc::Status AnswerListRuns(v1::ListRunsResponse* response);
  grpc::Status AnswerCancelRun(const grpc::ServerContextBase& context,
                               const v1::CancelRunRequest* request);
  // Finds that attempt of the incident, or the latest. Empty inner value: there is none. Empty
  // outer value: the loop does not respond.
  std::optional<std::optional<RunInfo>> Find(const std::string& incident_id,
                                             std::optional<std::uint32_t> attempt);
  grpc::Status Tail(const grpc::ServerContextBase& context, const v1::TailOutputRequest& request,
                    BlockingWriter<v1::TailOutputResponse>& writer);

  v1::ExecutorAdminGetStatusResponse Status() const;

  EventLoop& event_loop_;
  ExecutorLoop& loop_;
  TokenAuth& token_auth_;
  const MonoTime started_;
  std::atomic<int> tails_{0};
  CallPool calls_{4 + kMaxTails, 64};
};

}  // namespace runner::executor
