#pragma once

#include <cstdint>

#include <sys/types.h>

#include "common/base/unique_fd.h"
#include "executor/shim/syscall_filter.h"

namespace runner::executor {

// Raises the OOM score of the next child, so that the kernel kills the agent before any process of
// the runner (proc(5), /proc/PID/oom_score_adj: children inherit it). Best effort. The constructor
// opens the file, since a process that is not dumpable can no longer open it.
class OomScore {
 public:
  OomScore();
  void Raise();
  // Restores the old value. Unprivileged processes may do so unless it is below the least value
  // that a privileged process has set.
  void Restore();

 private:
  void Write(int score);

  UniqueFd file_;
  int original_ = 0;
};

// The parameters of SpawnAgent. The caller owns the descriptors; the strings must live until
// SpawnAgent returns.
struct SpawnRequest {
  char* const* argv;  // [0] is the absolute path of the program
  char* const* envp;
  int workspace_fd;  // becomes the working directory
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
  std::uint64_t descriptor_limit;  // soft limit of open files; 0: inherited
  const SyscallFilter& syscall_filter;
};

// A started agent, or the error.
struct SpawnedAgent {
  pid_t pid = -1;
  UniqueFd pidfd;
  int error = 0;  // an errno; 0: the program was executed
};

// Starts the program as leader of its own session, with default signal dispositions, an empty
// signal mask, umask 077, no core dumps, only descriptors 0, 1 and 2, the system call filter (best
// effort), and SIGKILL as parent-death signal. Returns when the program was executed or has failed
// to: the child shares the memory of the caller until then (clone(2) with CLONE_VM and
// CLONE_VFORK). The caller must be single-threaded, have all signals blocked, be a child subreaper,
// and reap the pid.
SpawnedAgent SpawnAgent(const SpawnRequest& request);

}  // namespace runner::executor
