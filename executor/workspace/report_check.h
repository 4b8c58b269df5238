#pragma once

#include <cstdint>
#include <string>

#include "common/domain/text_limits.h"
#include "executor/core/run_outcome.h"

namespace runner::executor {

inline constexpr std::uint64_t kReportExcerptBytes = kMaxReport;

// The report file of an agent.
struct Report {
  ReportVerdict verdict = ReportVerdict::kMissing;  // never kNotRequired
  std::uint64_t bytes = 0;                          // size of the file; 0 unless kGood or kTooSmall
  // The first kReportExcerptBytes as valid UTF-8: U+FFFD replaces invalid bytes, and no character
  // is split. Empty unless kGood or kTooSmall.
  std::string excerpt;
  bool truncated = false;  // the excerpt is only a part
};

// Reads the report at `path`, relative to the directory `workspace_fd`. kInvalid: not a regular
// file, more than one link, outside the workspace, behind a symbolic link, or unreadable. Never
// blocks on a special file, and reads no more than the excerpt.
Report CheckReport(int workspace_fd, const std::string& path, std::uint64_t min_bytes);

}  // namespace runner::executor
