#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/domain/incident.h"
#include "executor/shim/record.h"

namespace runner::executor {

// The report as result.json names it.
struct ReportReference {
  std::string path;  // relative to the workspace
  std::uint64_t bytes = 0;
};

// What result.json says beside the outcome; null there where nothing is known.
struct ResultDetails {
  std::optional<std::string> spawn_error;  // why the agent could not be executed
  std::optional<bool> oom;
  std::optional<StreamCount> out;
  std::optional<StreamCount> err;
  std::optional<ReportReference> report;
};

// result.json, which is what remains in the workspace of how a run ended.
std::string ResultDocument(const Lease& lease, const Outcome& outcome,
                           const ResultDetails& details);

}  // namespace runner::executor
