#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner {

// The vocabulary of both processes. The words of these enums are the same in metric labels, log
// fields, result.json, incident.json and gRPC.

enum class Severity { kDebug, kInfo, kWarning, kError, kCritical };

std::string_view ToString(Severity severity);
// Case-insensitive; `high` = error, `medium` = warning, `low` = info.
std::optional<Severity> ParseSeverity(std::string_view word);

// The Kubernetes object that an event concerns. `namespace_` and `uid` may be empty.
struct Resource {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string namespace_;
  std::string uid;

  bool operator==(const Resource&) const = default;
};

// An event from an MCP server, validated, with every length bounded.
struct FaultEvent {
  std::string cluster;   // the configured name
  std::string fault_id;  // stable for one fault; may be empty
  std::string fault_type;
  Severity severity = Severity::kWarning;
  Resource resource;
  std::string context;
  WallTime timestamp;  // when the fault began, as the server reports it; received_at if it does not
  WallTime received_at;
};

// An event that was accepted for investigation.
struct Incident {
  std::string id;  // UUIDv7
  FaultEvent event;
  std::uint32_t occurrences = 1;  // number of events, including duplicates
  WallTime last_seen;             // time of the latest event
  std::string rerun_of = {};      // id of the finished incident that an operator reruns
};

// The `event_id` of log lines: the fault id if present, else the incident id.
inline const std::string& EventId(const Incident& incident) {
  return incident.event.fault_id.empty() ? incident.id : incident.event.fault_id;
}

// An incident handed to one executor for one attempt. `attempt` increases with every offer.
struct Lease {
  std::string incident_id;
  std::uint32_t attempt = 0;

  auto operator<=>(const Lease&) const = default;
};

enum class RunStatus { kSuccess, kFailure, kTimeout, kInterrupted, kCancelled };

std::string_view ToString(RunStatus status);
std::optional<RunStatus> ParseRunStatus(std::string_view word);

// The reason of a run that was interrupted because its executor died. It was not a drain, so it
// counts as a lost attempt.
inline constexpr std::string_view kExecutorLost = "executor_lost";

// The reason of an offer that was rejected, or of a run that was interrupted before its agent
// started, because the executor lacked descriptors, processes, memory or disk. It is neither an
// attempt nor a failure of the agent.
inline constexpr std::string_view kShortage = "shortage";

inline constexpr std::size_t kMaxLastOutput = 1024;

// The result of one run.
struct Outcome {
  RunStatus status = RunStatus::kFailure;
  std::string reason;    // empty for success
  bool started = false;  // the agent's program was executed
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::uint32_t orphans_killed = 0;
  bool contained = false;  // proven: no process of the run exists
  WallTime started_at;
  WallTime finished_at;
  Duration duration{};
  std::string report;              // the first 64 KiB
  bool report_partial = false;     // may be incomplete, because the run did not succeed
  bool report_truncated = false;   // `report` is only a part
  std::uint64_t report_bytes = 0;  // size of the complete report
  // Only after a failure or a timeout: the last line of the agent's stderr, else of its stdout,
  // without control characters, at most kMaxLastOutput bytes. Untrusted: the agent writes it.
  std::string last_output;
  std::string workspace;
};

}  // namespace runner
