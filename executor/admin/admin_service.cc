#include "executor/admin/admin_service.h"

#include <utility>

#include "common/ask_loop.h"
#include "common/wire.h"

namespace runner::executor {
namespace {

v1::Run ToProtoRun(const RunInfo& info, MonoTime now) {
  v1::Run run;
  *run.mutable_lease() = ToProto(info.lease);
  run.set_cluster(info.cluster);
  run.set_state(info.state);
  run.set_pid(info.pid);
  run.set_workspace(info.workspace);
  if (info.pid != 0) *run.mutable_started_at() = ToProto(info.started_at);
  if (info.outcome) {
    *run.mutable_outcome() = ToProto(*info.outcome);
    run.mutable_outcome()->clear_report();  // a list of whole reports could outgrow a message
    *run.mutable_duration() = ToProto(info.outcome->duration);
  } else if (info.pid != 0) {
    *run.mutable_duration() = ToProto(now - info.started_mono);
  }
  return run;
}

}  // namespace

grpc::Status AdminService::ListRuns(grpc::ServerContext*, const v1::ListRunsRequest*,
                                    v1::ListRunsResponse* response) {
  auto list = AskLoop<v1::ListRunsResponse>(
      inbox_,
      [this] {
        v1::ListRunsResponse runs;
        for (const RunInfo& info : supervisor_.Runs()) {
          *runs.add_runs() = ToProtoRun(info, inbox_.Now().mono);
        }
        return runs;
      },
      std::chrono::seconds(1));
  if (!list) return {grpc::StatusCode::UNAVAILABLE, "the executor is busy or shutting down"};
  *response = *std::move(list);
  return grpc::Status::OK;
}

}  // namespace runner::executor
