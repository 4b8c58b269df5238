#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "executor/shim/agent_run.h"
#include "executor/shim/options.h"
#include "executor/shim/protocol.h"
#include "executor/shim/result.h"
#include "executor/shim/spawn.h"

// runner-shim: runs one agent for the executor, which it serves on descriptor 3. Its environment is
// the agent's. Not meant to be started by hand. All signals are blocked: only the control socket,
// or SIGKILL, ends it early.

namespace {

using namespace runner::executor;

constexpr int kExitUsage = 64;
constexpr int kExitSetup = 71;

// Makes sure that the agent inherits only the descriptors that the shim opens for it.
bool SealDescriptors() {
  ::syscall(SYS_close_range, kShimControlFd + 1U, ~0U, 0U);
  return ::fcntl(kShimControlFd, F_SETFD, FD_CLOEXEC) == 0 &&
         ::fcntl(kShimControlFd, F_SETFL, O_NONBLOCK) == 0;
}

// Makes this process the subreaper of the run. Returns the step that failed, or null.
const char* Isolate() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::setsid();  // Fails if the executor has already done it.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return "PR_SET_CHILD_SUBREAPER failed";
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "PR_SET_NO_NEW_PRIVS failed";
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return "PR_SET_DUMPABLE failed";
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<ShimOptions> options = ParseShimOptions(argc, argv);
  if (!options || !SealDescriptors()) {
    std::fputs("runner-shim: cannot run on its own; expected to be started by runner-executor\n",
               stderr);
    return kExitUsage;
  }
  OomScore oom_score;
  if (const char* const problem = Isolate()) {
    std::fprintf(stderr, "runner-shim: %s\n", problem);
    return kExitSetup;
  }
  AgentRun run(*options, environ, kShimControlFd, oom_score);
  ShimNotice notice;
  notice.event = ShimEvent::kFinished;
  notice.record = run.Run();
  // Written before the notice: an executor that receives the result relies on the spool. If the
  // disk is full, the notice alone carries the record.
  WriteResult(options->spool_file, notice.record);
  ::send(kShimControlFd, &notice, sizeof notice, MSG_NOSIGNAL);
  return 0;
}
