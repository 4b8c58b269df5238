#pragma once

#include <cstdint>

namespace runner::executor {

// Why a shim stopped its agent, other than the time limit. The first cause counts.
enum class ShimStop : std::uint32_t {
  kNone,
  kCancelled,
  kInterrupted,
  kExecutorLost,
  kMemoryLimit,
  kWorkspaceLimit,
  kLeaseDeadline,
  kSignalledExecutor,
};

// The word of a cause in the record.
constexpr const char* ToWord(ShimStop stop) {
  switch (stop) {
    case ShimStop::kNone:
      return "none";
    case ShimStop::kCancelled:
      return "cancelled";
    case ShimStop::kInterrupted:
      return "interrupted";
    case ShimStop::kExecutorLost:
      return "executor_lost";
    case ShimStop::kMemoryLimit:
      return "memory_limit";
    case ShimStop::kWorkspaceLimit:
      return "workspace_limit";
    case ShimStop::kLeaseDeadline:
      return "lease_deadline";
    case ShimStop::kSignalledExecutor:
      return "signalled_executor";
  }
  return "none";
}
inline constexpr ShimStop kShimStops[] = {ShimStop::kNone,          ShimStop::kCancelled,
                                          ShimStop::kInterrupted,   ShimStop::kExecutorLost,
                                          ShimStop::kMemoryLimit,   ShimStop::kWorkspaceLimit,
                                          ShimStop::kLeaseDeadline, ShimStop::kSignalledExecutor};

// Bytes read from one output stream of the agent, and how many of them are not in the log.
struct StreamCount {
  std::uint64_t bytes = 0;
  std::uint64_t dropped_bytes = 0;
};

// The facts that a shim has about its run at the end, without judgement. Trivially copyable and
// without pointers: sent as raw bytes from the shim to the executor, two programs of one build on
// one machine.
struct ShimRecord {
  static constexpr std::int32_t kNoExitCode = -1;

  char incident_id[40] = {};  // NUL-terminated
  std::uint32_t attempt = 0;
  std::int32_t exit_code = kNoExitCode;  // 127 or 126 if the agent could not be started
  std::int32_t signal = 0;               // 0: the agent did not end by a signal
  std::int32_t spawn_errno = 0;          // not 0: the agent never ran
  std::int32_t log_errno = 0;            // not 0: a log is incomplete because of this error
  std::uint32_t orphans_killed = 0;      // processes of the run, not counting the agent
  ShimStop stopped = ShimStop::kNone;
  bool timed_out = false;
  bool oom = false;                 // the kernel killed the agent because it was out of memory
  bool disk_full = false;           // the file system of the workspace was full at the end
  bool contained = false;           // proven: no process of the run exists
  std::int64_t started_at_ns = 0;   // wall clock, since the epoch
  std::int64_t finished_at_ns = 0;  // wall clock, since the epoch
  std::int64_t duration_ns = 0;     // monotonic clock
  StreamCount out;
  StreamCount err;
};

}  // namespace runner::executor
