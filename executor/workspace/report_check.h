#pragma once

#include <cstdint>
#include <string>

#include "common/domain/text_limits.h"
#include "executor/core/run_outcome.h"

namespace runner::executor {

inline constexpr std::uint64_t kReportExcerptBytes = kMaxReport;

// What an agent left as its report.
struct Report {
  ReportVerdict verdict = ReportVerdict::kMissing;  // never kNotRequired
  std::uint64_t bytes = 0;                          // size of the file; 0 unless good or too small
  // The first kReportExcerptBytes as valid UTF-8: what is not, is replaced by U+FFFD, and no
  // character is cut in two. Empty unless good or too small.
  std::string excerpt;
  bool truncated = false;  // the excerpt is not all of it
};

// Reads the report at `path`, relative to the directory `workspace_fd`. Invalid: not a regular
// file, more than one link, outside the workspace, behind a symbolic link, unreadable. Never hangs,
// and reads no more than the excerpt however large the file is.
Report CheckReport(int workspace_fd, const std::string& path, std::uint64_t min_bytes);

}  // namespace runner::executor
