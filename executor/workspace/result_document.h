#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/domain/incident.h"
#include "executor/shim/record.h"

namespace runner::executor {

// The `report` object of result.json.
struct ReportReference {
  std::string path;  // relative to the workspace
  std::uint64_t bytes = 0;
};

// Fields of result.json that are not in the outcome; unknown values become null.
struct ResultDetails {
  std::optional<std::string> spawn_error;  // why the agent could not be executed
  std::optional<bool> oom;
  std::optional<StreamCount> out;
  std::optional<StreamCount> err;
  std::optional<ReportReference> report;
};

// Returns result.json, the record of a run in its workspace.
std::string ResultDocument(const Lease& lease, const Outcome& outcome,
                           const ResultDetails& details);

}  // namespace runner::executor
