#include "executor/core/run_outcome.h"

#include <cerrno>
#include <chrono>
#include <string_view>

namespace runner::executor {
namespace {

struct Verdict {
  RunStatus status;
  std::string_view reason;
};

bool IsDiskFull(int error) { return error == ENOSPC || error == EDQUOT; }

Verdict JudgeStart(int error) {
  if (IsShortage(error)) return {RunStatus::kInterrupted, kShortage};
  return {RunStatus::kFailure, "spawn_error"};
}

Verdict JudgeLost(const RunEnd& end) {
  if (!end.started && end.start_failure == StartFailure::kKubeconfigMissing) {
    return {RunStatus::kFailure, "kubeconfig_missing"};
  }
  if (!end.started) return JudgeStart(end.start_errno);
  if (end.stop_requested == StopReason::kCancelled) return {RunStatus::kCancelled, "shim_lost"};
  if (end.stop_requested == StopReason::kInterrupted) return {RunStatus::kInterrupted, "shim_lost"};
  return {RunStatus::kFailure, "shim_lost"};
}

Verdict JudgeReport(ReportVerdict report) {
  switch (report) {
    case ReportVerdict::kNotRequired:
    case ReportVerdict::kGood:
      return {RunStatus::kSuccess, ""};
    case ReportVerdict::kMissing:
      return {RunStatus::kFailure, "report_missing"};
    case ReportVerdict::kTooSmall:
      return {RunStatus::kFailure, "report_too_small"};
    case ReportVerdict::kInvalid:
      return {RunStatus::kFailure, "report_invalid"};
  }
  return {RunStatus::kFailure, "report_invalid"};
}

Verdict JudgeExit(const ShimRecord& record, ReportVerdict report) {
  const Verdict verdict = record.signal != 0      ? Verdict{RunStatus::kFailure, "signal"}
                          : record.exit_code != 0 ? Verdict{RunStatus::kFailure, "exit_code"}
                                                  : JudgeReport(report);
  if (verdict.status != RunStatus::kFailure) return verdict;
  if (record.oom) return {RunStatus::kFailure, "oom_killed"};
  // On a full disk a successful run only loses a part of its log; a failed run has this cause.
  if (record.disk_full || IsDiskFull(record.log_errno)) return {RunStatus::kFailure, "disk_full"};
  return verdict;
}

Verdict JudgeRecord(const ShimRecord& record, ReportVerdict report) {
  if (record.spawn_errno != 0) return JudgeStart(record.spawn_errno);
  if (record.timed_out) return {RunStatus::kTimeout, "timeout"};
  switch (record.stopped) {
    case ShimStop::kNone:
      return JudgeExit(record, report);
    case ShimStop::kCancelled:
      return {RunStatus::kCancelled, "cancelled"};
    case ShimStop::kInterrupted:
      return {RunStatus::kInterrupted, "shutdown"};
    case ShimStop::kExecutorLost:
      return {RunStatus::kInterrupted, kExecutorLost};
    case ShimStop::kMemoryLimit:
      return {RunStatus::kFailure, "memory_limit"};
    case ShimStop::kWorkspaceLimit:
      return {RunStatus::kFailure, "workspace_limit"};
    case ShimStop::kLeaseDeadline:
      return {RunStatus::kInterrupted, "lease_deadline"};
    case ShimStop::kSignalledExecutor:
      return {RunStatus::kFailure, "signalled_executor"};
  }
  return {RunStatus::kFailure, "shim_lost"};
}

WallTime FromUnixNs(std::int64_t ns) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(Duration(ns)));
}

}  // namespace

bool IsShortage(int error) {
  switch (error) {
    case EAGAIN:  // processes
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EDQUOT:
      return true;
    default:
      return false;
  }
}

Outcome Judge(const RunEnd& end) {
  const Verdict verdict = end.record ? JudgeRecord(*end.record, end.report) : JudgeLost(end);
  Outcome outcome;
  outcome.status = verdict.status;
  outcome.reason = verdict.reason;
  outcome.contained = end.contained;
  outcome.orphans_killed = end.orphans_killed;
  outcome.report_partial = verdict.status != RunStatus::kSuccess;
  outcome.started_at = end.started_at;
  outcome.finished_at = end.finished_at;
  outcome.duration = end.duration;
  outcome.started = end.started;
  if (end.record) {
    const ShimRecord& record = *end.record;
    outcome.started = record.spawn_errno == 0;
    if (record.exit_code != ShimRecord::kNoExitCode) outcome.exit_code = record.exit_code;
    if (record.signal != 0) outcome.signal = record.signal;
    outcome.orphans_killed += record.orphans_killed;
    outcome.started_at = FromUnixNs(record.started_at_ns);
    outcome.finished_at = FromUnixNs(record.finished_at_ns);
    outcome.duration = Duration(record.duration_ns);
  }
  return outcome;
}

}  // namespace runner::executor
