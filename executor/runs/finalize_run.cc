#include "executor/runs/finalize_run.h"

#include <string>
#include <system_error>
#include <utility>

#include <string.h>

#include "executor/workspace/last_output.h"
#include "executor/workspace/report_check.h"
#include "executor/workspace/result_document.h"

namespace runner::executor {
namespace {

const std::string& ReportFile(const AgentOptions& options) {
  static const std::string default_file = kDefaultReportFile;
  return options.report_file.empty() ? default_file : options.report_file;
}

}  // namespace

std::string ErrorName(int error) {
  const char* const name = ::strerrorname_np(error);
  return (name != nullptr ? name : "errno " + std::to_string(error)) + ": " +
         std::generic_category().message(error);
}

FinalizedRun FinalizeRun(const AgentOptions& options, const Lease& lease, RunEnd end,
                         const Workspace* workspace) {
  FinalizedRun finalized;
  if (workspace == nullptr) {
    end.report =
        options.report_file.empty() ? ReportVerdict::kNotRequired : ReportVerdict::kMissing;
    finalized.outcome = Judge(end);
    return finalized;
  }
  Report report = CheckReport(workspace->fd(), ReportFile(options), options.report_min_bytes);
  end.report = options.report_file.empty() ? ReportVerdict::kNotRequired : report.verdict;

  finalized.outcome = Judge(end);
  finalized.outcome.workspace = workspace->path();
  const RunStatus status = finalized.outcome.status;
  if (status == RunStatus::kFailure || status == RunStatus::kTimeout) {
    finalized.outcome.last_output = LastOutput(workspace->fd());
  }
  ResultDetails details;
  const int spawn_error = end.record ? end.record->spawn_errno : end.start_errno;
  if (spawn_error != 0) details.spawn_error = ErrorName(spawn_error);
  if (end.record) {
    details.oom = end.record->oom;
    details.out = end.record->out;
    details.err = end.record->err;
  }
  if (report.verdict == ReportVerdict::kGood || report.verdict == ReportVerdict::kTooSmall) {
    details.report = ReportReference{ReportFile(options), report.bytes};
    finalized.outcome.report = std::move(report.excerpt);
    finalized.outcome.report_truncated = report.truncated;
    finalized.outcome.report_bytes = report.bytes;
  }
  finalized.result_errno =
      workspace->WriteResult(ResultDocument(lease, finalized.outcome, details));
  return finalized;
}

}  // namespace runner::executor
