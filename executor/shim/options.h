#pragma once

#include <cstdint>
#include <optional>

namespace runner::executor {

// The command line that an executor starts a shim with. The strings are those of argv.
struct ShimOptions {
  const char* incident_id = "";
  std::uint32_t attempt = 0;
  const char* workspace = nullptr;     // directory, exists
  const char* spool_file = nullptr;    // path of the record; its directory exists
  std::int64_t timeout_ms = 0;         // 0: no time limit
  std::int64_t grace_ms = 0;           // from SIGTERM to SIGKILL
  std::int64_t lease_deadline_ns = 0;  // CLOCK_MONOTONIC; 0: no lease deadline
  std::uint64_t max_output = 0;        // bytes kept of each output stream
  std::uint64_t memory_limit = 0;      // bytes resident in all processes together; 0: none
  std::uint64_t workspace_limit = 0;   // bytes in the workspace; 0: none
  std::uint64_t descriptor_limit = 0;  // soft limit of the agent's open files; 0: that of the shim
  bool stdin_incident = true;          // the agent reads incident.json, else /dev/null
  char* const* agent_argv = nullptr;   // NULL-terminated, not empty; [0] is an absolute path
};

// Parses `--incident ID --attempt N --workspace DIR --spool FILE --timeout-ms N --grace-ms N
// --lease-deadline-ns N --max-output BYTES --memory-limit BYTES --workspace-limit BYTES
// --descriptor-limit N --stdin incident|null -- PROGRAM ARG...`. Returns nothing if an option is
// unknown or invalid, or if --workspace, --spool or PROGRAM is missing.
std::optional<ShimOptions> ParseShimOptions(int argc, char* const* argv);

}  // namespace runner::executor
