#include "executor/supervisor/settlement.h"

#include <string>
#include <utility>

#include "executor/workspace/report_check.h"
#include "executor/workspace/result_document.h"

namespace runner::executor {
namespace {

const std::string& ReportFile(const AgentOptions& options) {
  static const std::string default_file = kDefaultReportFile;
  return options.report_file.empty() ? default_file : options.report_file;
}

}  // namespace

Settlement Settle(const AgentOptions& options, const Lease& lease, RunEnd end,
                  const Workspace* workspace) {
  Settlement settlement;
  if (workspace == nullptr) {
    settlement.outcome = Judge(end);
    return settlement;
  }
  Report report = CheckReport(workspace->fd(), ReportFile(options), options.report_min_bytes);
  end.report = options.report_file.empty() ? ReportVerdict::kNotRequired : report.verdict;

  settlement.outcome = Judge(end);
  settlement.outcome.workspace = workspace->path();
  ResultDetails details;
  if (end.record) {
    details.oom = end.record->oom;
    details.out = end.record->out;
    details.err = end.record->err;
  }
  if (report.verdict == ReportVerdict::kGood || report.verdict == ReportVerdict::kTooSmall) {
    details.report = ReportReference{ReportFile(options), report.bytes};
    settlement.outcome.report = std::move(report.excerpt);
  }
  settlement.result_errno =
      workspace->WriteResult(ResultDocument(lease, settlement.outcome, details));
  return settlement;
}

}  // namespace runner::executor
