#include "executor/workspace/result_document.h"

#include <nlohmann/json.hpp>

#include "executor/workspace/rfc3339.h"

namespace runner::executor {
namespace {

using nlohmann::ordered_json;

template <typename T>
ordered_json OrNull(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

}  // namespace

std::string ResultDocument(const Lease& lease, const Outcome& outcome,
                           const ResultDetails& details) {
  ordered_json document;
  document["incidentId"] = lease.incident_id;
  document["attempt"] = lease.attempt;
  document["status"] = ToString(outcome.status);
  document["reason"] =
      outcome.reason.empty() ? ordered_json(nullptr) : ordered_json(outcome.reason);
  document["exitCode"] = OrNull(outcome.exit_code);
  document["signal"] = OrNull(outcome.signal);
  document["spawnError"] = OrNull(details.spawn_error);
  document["timedOut"] = outcome.status == RunStatus::kTimeout;
  document["cancelled"] = outcome.status == RunStatus::kCancelled;
  document["oom"] = OrNull(details.oom);
  document["orphansKilled"] = outcome.orphans_killed;
  document["contained"] = outcome.contained;
  document["startedAt"] = FormatRfc3339(outcome.started_at);
  document["finishedAt"] = FormatRfc3339(outcome.finished_at);
  document["durationSeconds"] = ToSeconds(outcome.duration);
  const auto count = [&document](const char* bytes, const char* dropped,
                                 const std::optional<StreamCount>& stream) {
    document[bytes] = stream ? ordered_json(stream->bytes) : ordered_json(nullptr);
    document[dropped] = stream ? ordered_json(stream->dropped_bytes) : ordered_json(nullptr);
  };
  count("stdoutBytes", "stdoutDroppedBytes", details.out);
  count("stderrBytes", "stderrDroppedBytes", details.err);
  document["report"] = nullptr;
  if (details.report) {
    document["report"] = {{"path", details.report->path},
                          {"bytes", details.report->bytes},
                          {"partial", outcome.report_partial}};
  }
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace runner::executor
