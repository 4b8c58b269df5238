#include "executor/runs/orphan_reaper.h"

#include <cerrno>
#include <optional>
#include <system_error>
#include <vector>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/shim/children.h"

namespace runner::executor {
namespace {

struct ChildList {
  std::vector<pid_t> pids;
  bool complete = false;
};

ChildList Children() {
  ChildList children;
  children.complete = ForEachChild(
      [](pid_t child, void* list) { static_cast<std::vector<pid_t>*>(list)->push_back(child); },
      &children.pids);
  return children;
}

// Reaps the child if it is dead and returns how it died. Never blocks.
std::optional<siginfo_t> ReapIfDead(pid_t child) {
  siginfo_t info{};
  const bool reaped = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG) == 0 &&
                      info.si_pid == child;
  return reaped ? std::optional(info) : std::nullopt;
}

}  // namespace

OrphanReaper::OrphanReaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "PR_SET_CHILD_SUBREAPER");
  }
  const ChildList children = Children();
  if (!children.complete) {
    throw std::system_error(EIO, std::generic_category(), "list of the child processes");
  }
  inherited_.insert(children.pids.begin(), children.pids.end());
}

OrphanReaper::Sweep OrphanReaper::Once(const std::set<pid_t>& shims) const {
  Sweep sweep;
  const ChildList children = Children();
  sweep.complete = children.complete;
  for (const pid_t child : children.pids) {
    if (shims.contains(child) || inherited_.contains(child)) continue;
    ++sweep.found;
    // An unreaped child keeps its pid and its process group id from being reused.
    const pid_t group = ::getpgid(child);
    if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
    ::kill(child, SIGKILL);
    const auto end = ReapIfDead(child);
    if (end && end->si_code == CLD_KILLED && end->si_status == SIGKILL) ++sweep.killed;
  }
  return sweep;
}

bool OrphanReaper::Reap(const std::set<pid_t>& shims) const {
  const ChildList children = Children();
  for (const pid_t child : children.pids) {
    if (!shims.contains(child) && !inherited_.contains(child)) ReapIfDead(child);
  }
  return children.complete;
}

}  // namespace runner::executor
