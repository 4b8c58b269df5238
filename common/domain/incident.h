#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner {

// The vocabulary that both processes share. The words of these enums are the same everywhere they
// appear: metrics labels, log fields, result.json, incident.json and gRPC.

enum class Severity { kDebug, kInfo, kWarning, kError, kCritical };

std::string_view ToString(Severity severity);
// Case-insensitive; `high` = error, `medium` = warning, `low` = info.
std::optional<Severity> ParseSeverity(std::string_view word);

// The Kubernetes object that a fault is about. `namespace_` and `uid` may be empty.
struct Resource {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string namespace_;
  std::string uid;

  bool operator==(const Resource&) const = default;
};

// A fault as an MCP server told it, checked and with every length bounded.
struct FaultEvent {
  std::string cluster;   // the configured name
  std::string fault_id;  // stable per fault; may be empty
  std::string fault_type;
  Severity severity = Severity::kWarning;
  Resource resource;
  std::string context;
  WallTime timestamp;  // when the fault began, as the server says; received_at when it does not
  WallTime received_at;
};

// A fault event accepted for triage.
struct Incident {
  std::string id;  // UUIDv7
  FaultEvent event;
  std::uint32_t occurrences = 1;  // events that told of it, duplicates included
  WallTime last_seen;             // when the latest of them came
  std::string rerun_of = {};      // the ended incident that an operator had investigated again
};

// What a log line calls the event of an incident: the fault id, else the incident id.
inline const std::string& EventId(const Incident& incident) {
  return incident.event.fault_id.empty() ? incident.id : incident.event.fault_id;
}

// An incident handed to one executor for one attempt. `attempt` grows with every offer.
struct Lease {
  std::string incident_id;
  std::uint32_t attempt = 0;

  auto operator<=>(const Lease&) const = default;
};

enum class RunStatus { kSuccess, kFailure, kTimeout, kInterrupted, kCancelled };

std::string_view ToString(RunStatus status);
std::optional<RunStatus> ParseRunStatus(std::string_view word);

// Why a run was interrupted whose executor died: it was no drain, and counts as a lost attempt.
inline constexpr std::string_view kExecutorLost = "executor_lost";

// Why an offer was rejected, or a run interrupted before its agent had started, whose executor was
// short of descriptors, processes, memory or disk: no attempt, and no failure of the agent.
inline constexpr std::string_view kShortage = "shortage";

inline constexpr std::size_t kMaxLastOutput = 1024;

// How one run of an agent ended.
struct Outcome {
  RunStatus status = RunStatus::kFailure;
  std::string reason;    // empty for success
  bool started = false;  // the agent's program was executed
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::uint32_t orphans_killed = 0;
  bool contained = false;  // proven: no process of the run exists any more
  WallTime started_at;
  WallTime finished_at;
  Duration duration{};
  std::string report;              // the first 64 KiB
  bool report_partial = false;     // it may be unfinished, since the run was no success
  bool report_truncated = false;   // `report` is not all of it
  std::uint64_t report_bytes = 0;  // size of the whole report, as the agent left it
  // Only after a failure or a timeout: the last line that the agent printed, to stderr if it
  // printed there, without control characters, at most kMaxLastOutput bytes. Written by the agent:
  // worth no trust.
  std::string last_output;
  std::string workspace;
};

}  // namespace runner
