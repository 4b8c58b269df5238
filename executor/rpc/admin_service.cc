#include "executor/rpc/admin_service.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/open_beneath.h"
#include "common/loop/call_on_loop.h"
#include "common/observability/build_info.h"
#include "common/rpc/wire.h"

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
    // a list with all reports could exceed the size limit of a message
    run.mutable_outcome()->clear_report();
    *run.mutable_duration() = ToProto(info.outcome->duration);
  } else if (info.pid != 0) {
    *run.mutable_duration() = ToProto(now - info.started_mono);
  }
  return run;
}

constexpr Duration kLoopTimeout = std::chrono::seconds(1);
constexpr Duration kTailInterval = std::chrono::milliseconds(200);
constexpr std::size_t kTailChunk = 32 * 1024;

grpc::Status Busy() {
  return {grpc::StatusCode::UNAVAILABLE, "the executor is busy or shutting down"};
}

// Opens the log of a run. The agent may have replaced the file by one of any type.
UniqueFd OpenLog(const std::string& workspace, v1::OutputStream stream) {
  const UniqueFd directory(
      ::open(workspace.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const char* const name =
      stream == v1::OUTPUT_STREAM_STDERR ? "agent.stderr.log" : "agent.stdout.log";
  OpenResult opened = OpenBeneath(directory.Get(), name, O_RDONLY);
  struct stat status{};
  if (!opened.fd || ::fstat(opened.fd.Get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return std::move(opened.fd);
}

// Sends the bytes up to the end of the file. Returns false if the caller has gone.
bool SendRest(const UniqueFd& log, BlockingWriter<v1::TailOutputResponse>& writer) {
  std::string chunk(kTailChunk, '\0');
  for (;;) {
    const ssize_t got = ::read(log.Get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    v1::TailOutputResponse response;
    response.set_data(chunk.data(), static_cast<std::size_t>(got));
    if (!writer.Write(response)) return false;
  }
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetStatus(grpc::CallbackServerContext* context,
                                                  const v1::ExecutorAdminGetStatusRequest*,
                                                  v1::ExecutorAdminGetStatusResponse* response) {
  return calls_.Answer(*context, [=, this] { return AnswerGetStatus(response); });
}

grpc::ServerUnaryReactor* AdminService::ListRuns(grpc::CallbackServerContext* context,
                                                 const v1::ListRunsRequest*,
                                                 v1::ListRunsResponse* response) {
  return calls_.Answer(*context, [=, this] { return AnswerListRuns(response); });
}

grpc::ServerUnaryReactor* AdminService::CancelRun(grpc::CallbackServerContext* context,
                                                  const v1::CancelRunRequest* request,
                                                  v1::CancelRunResponse*) {
  return calls_.Answer(*context, [=, this] { return AnswerCancelRun(*context, request); });
}

grpc::Status AdminService::AnswerGetStatus(v1::ExecutorAdminGetStatusResponse* response) {
  auto status = CallOnLoop<v1::ExecutorAdminGetStatusResponse>(
      event_loop_, [this] { return Status(); }, kLoopTimeout);
  if (!status) return Busy();
  *response = *std::move(status);
  return grpc::Status::OK;
}

v1::ExecutorAdminGetStatusResponse AdminService::Status() const {
  const ExecutorOptions& options = loop_.options();
  const Admission& admission = loop_.executor().admission();
  v1::ExecutorAdminGetStatusResponse status;
  status.set_version(GetBuildInfo().version);
  *status.mutable_uptime() = ToProto(event_loop_.Now().mono - started_);
  status.set_executor_id(options.executor_id);
  status.set_ingest_address(options.ingest_address);
  status.set_attached(loop_.attached());
  status.set_draining(admission.draining());
  status.set_tainted(loop_.supervisor().tainted());
  status.set_sidecar(options.sidecar);
  status.set_slots(options.slots);
  status.set_busy(static_cast<std::uint32_t>(admission.Running().size()));
  status.set_results_waiting(static_cast<std::uint32_t>(admission.results_waiting().size()));
  for (const auto& [cluster, counters] : loop_.supervisor().counters().clusters()) {
    for (std::size_t i = 0; i < kRunStatusCount; ++i) {
      if (counters.completed[i] == 0) continue;
      const std::string word(ToString(static_cast<RunStatus>(i)));
      (*status.mutable_runs_completed())[word] += counters.completed[i];
    }
  }
  return status;
}

grpc::Status AdminService::AnswerListRuns(v1::ListRunsResponse* response) {
  auto list = CallOnLoop<v1::ListRunsResponse>(
      event_loop_,
      [this] {
        v1::ListRunsResponse runs;
        for (const RunInfo& info : loop_.supervisor().Runs()) {
          *runs.add_runs() = ToProtoRun(info, event_loop_.Now().mono);
        }
        return runs;
      },
      kLoopTimeout);
  if (!list) return Busy();
  *response = *std::move(list);
  return grpc::Status::OK;
}

std::optional<std::optional<RunInfo>> AdminService::Find(const std::string& incident_id,
                                                         std::optional<std::uint32_t> attempt) {
  return CallOnLoop<std::optional<RunInfo>>(
      event_loop_,
      [this, incident_id, attempt]() -> std::optional<RunInfo> {
        const std::vector<RunInfo> runs = loop_.supervisor().Runs();
        const auto run = std::find_if(runs.begin(), runs.end(), [&](const RunInfo& info) {
          return info.lease.incident_id == incident_id &&
                 (!attempt || info.lease.attempt == *attempt);
        });
        if (run == runs.end()) return std::nullopt;
        return *run;
      },
      kLoopTimeout);
}

grpc::ServerWriteReactor<v1::TailOutputResponse>* AdminService::TailOutput(
    grpc::CallbackServerContext* context, const v1::TailOutputRequest* request) {
  auto* const writer = new BlockingWriter<v1::TailOutputResponse>;
  if (++tails_ > kMaxTails) {
    --tails_;
    writer->End(
        {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls of TailOutput; retry later"});
    return writer;
  }
  const bool runs = calls_.Run([=, this] {
    const grpc::Status status = Tail(*context, *request, *writer);
    --tails_;
    writer->End(status);
  });
  if (!runs) {
    --tails_;
    writer->End(CallPool::Full());
  }
  return writer;
}

grpc::Status AdminService::Tail(const grpc::ServerContextBase& context,
                                const v1::TailOutputRequest& request,
                                BlockingWriter<v1::TailOutputResponse>& writer) {
  UniqueFd log;
  std::optional<std::uint32_t> attempt;  // the attempt that is followed to its end
  for (;;) {
    const auto answer = Find(request.incident_id(), attempt);
    if (!answer) return Busy();
    const std::optional<RunInfo>& run = *answer;
    if (!run && attempt) return grpc::Status::OK;  // forgotten, so it ended long ago
    if (!run) return {grpc::StatusCode::NOT_FOUND, "this executor has no run of this incident"};
    attempt = run->lease.attempt;
    // Read before the log: if the run has ended, the log is complete.
    const bool ended = run->outcome.has_value();
    if (!log) log = OpenLog(run->workspace, request.stream());
    if (log && !SendRest(log, writer)) return grpc::Status::OK;
    if (ended || !request.follow()) return grpc::Status::OK;
    if (context.IsCancelled()) return grpc::Status::CANCELLED;
    std::this_thread::sleep_for(kTailInterval);
  }
}

grpc::Status AdminService::AnswerCancelRun(const grpc::ServerContextBase& context,
                                           const v1::CancelRunRequest* request) {
  if (grpc::Status refused = token_auth_.Check(context); !refused.ok()) return refused;
  const auto stopped = CallOnLoop<bool>(
      event_loop_,
      [this, incident_id = request->incident_id()] {
        for (const RunInfo& run : loop_.supervisor().Runs()) {
          if (run.outcome || run.lease.incident_id != incident_id) continue;
          loop_.supervisor().Stop(run.lease, StopReason::kCancelled);
          return true;
        }
        return false;
      },
      kLoopTimeout);
  if (!stopped) return Busy();
  if (*stopped) return grpc::Status::OK;
  return {grpc::StatusCode::NOT_FOUND, "this executor has no active run of this incident"};
}

}  // namespace runner::executor
