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

Settlement Settle(const AgentOptions& options, const Lease& lease, RunEnd end,
                  const Workspace* workspace) {
  Settlement settlement;
  if (workspace == nullptr) {
    end.report =
        options.report_file.empty() ? ReportVerdict::kNotRequired : ReportVerdict::kMissing;
    settlement.outcome = Judge(end);
    return settlement;
  }
  Report report = CheckReport(workspace->fd(), ReportFile(options), options.report_min_bytes);
  end.report = options.report_file.empty() ? ReportVerdict::kNotRequired : report.verdict;

  settlement.outcome = Judge(end);
  settlement.outcome.workspace = workspace->path();
  const RunStatus status = settlement.outcome.status;
  if (status == RunStatus::kFailure || status == RunStatus::kTimeout) {
    settlement.outcome.last_output = LastOutput(workspace->fd());
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
    settlement.outcome.report = std::move(report.excerpt);
    settlement.outcome.report_truncated = report.truncated;
    settlement.outcome.report_bytes = report.bytes;
  }
  settlement.result_errno =
      workspace->WriteResult(ResultDocument(lease, settlement.outcome, details));
  return settlement;
}

}  // namespace runner::executor
