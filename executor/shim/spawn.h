#pragma once

#include <cstdint>

#include <sys/types.h>

#include "common/base/unique_fd.h"
#include "executor/shim/syscall_filter.h"

namespace runner::executor {

// Raises the OOM score of what this process starts next, so that the kernel kills the agent before
// anything of the runner (proc(5), /proc/PID/oom_score_adj: children inherit it). Best effort. The
// file is opened on construction, since a process that is not dumpable may not open it any more.
class OomScore {
 public:
  OomScore();
  void Raise();
  // Back to what it was; allowed without privilege as long as that is not below the least value
  // that a privileged process has set.
  void Restore();

 private:
  void Write(int score);

  UniqueFd file_;
  int original_ = 0;
};

// What is needed to start an agent. Descriptors stay the caller's; the strings must live until
// SpawnAgent returns.
struct SpawnRequest {
  char* const* argv;  // [0] is the absolute path of the program
  char* const* envp;
  int workspace_fd;  // becomes the working directory
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
  std::uint64_t descriptor_limit;  // soft limit of open files; 0: that of the caller
  const SyscallFilter& syscall_filter;
};

// A started agent, or why there is none.
struct SpawnedAgent {
  pid_t pid = -1;
  UniqueFd pidfd;
  int error = 0;  // an errno; 0: the program was executed
};

// Starts the program as leader of a session of its own, with default signal dispositions, an empty
// signal mask, umask 077, no core dumps, no descriptors but 0, 1 and 2, the filter of system calls
// (best effort), and SIGKILL as the signal it gets when the shim dies. Returns when the program has
// been executed (or could not be), as the child shares the memory of the caller until then:
// clone(2) with CLONE_VM and CLONE_VFORK. The caller must be single-threaded, have all signals
// blocked, be a child subreaper, and reap the pid.
SpawnedAgent SpawnAgent(const SpawnRequest& request);

}  // namespace runner::executor
