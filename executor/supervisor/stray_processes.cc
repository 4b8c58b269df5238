#include "executor/supervisor/stray_processes.h"

#include <cerrno>
#include <system_error>
#include <vector>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/shim/children.h"

namespace runner::executor {
namespace {

std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  ForEachChild(
      [](pid_t child, void* list) { static_cast<std::vector<pid_t>*>(list)->push_back(child); },
      &children);
  return children;
}

}  // namespace

StrayProcesses::StrayProcesses() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "PR_SET_CHILD_SUBREAPER");
  }
}

StrayProcesses::Sweep StrayProcesses::Once(const std::set<pid_t>& shims) const {
  Sweep sweep;
  for (const pid_t child : Children()) {
    if (shims.contains(child)) continue;
    ++sweep.found;
    // An unreaped child holds its number and that of its group.
    const pid_t group = ::getpgid(child);
    if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
    ::kill(child, SIGKILL);
    siginfo_t info{};
    const bool reaped = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG) == 0 &&
                        info.si_pid == child;
    if (reaped && info.si_code == CLD_KILLED && info.si_status == SIGKILL) ++sweep.killed;
  }
  return sweep;
}

}  // namespace runner::executor
