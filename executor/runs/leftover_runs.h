#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>

#include <signal.h>
#include <sys/types.h>

#include "common/base/unique_fd.h"

namespace runner::executor {

// Finds what a dead executor left in the workspace root: shims that still finish their runs, each
// holding the lock (flock(2)) of its workspace, and orphans, which are processes of a run whose
// shim has died. Not thread-safe.
//
// An orphan is recognised by its environment (RUNNER_WORKSPACE, proc(5) /proc/PID/environ) if the
// lock of that workspace is free; a shim by its command line, since only root can read its
// environment. An agent that hides both its environment and its parent is not found: the shim gives
// the proof, this is the second line of defence.
class LeftoverRuns {
 public:
  // `workspace_root` is absolute and may be missing. It is compared as a directory, so other
  // spellings and links to it match.
  explicit LeftoverRuns(const std::filesystem::path& workspace_root);

  // Names of the workspaces whose shim still holds the lock. Each call checks those that were
  // locked at the previous one; the first call checks everything in the root.
  const std::set<std::string>& StillRunning();
  // Sends SIGCONT to the shims of StillRunning: an agent may have stopped its own shim.
  void Continue() const { SignalRunning(SIGCONT, false); }
  // Sends SIGKILL to the shims of StillRunning and to all processes in those workspaces.
  void Kill() const { SignalRunning(SIGKILL, true); }
  // Sends SIGKILL to every orphan, including those started meanwhile. Returns their number.
  std::size_t KillOrphans() const;

 private:
  bool IsLocked(const std::string& workspace) const;
  // Returns the name of a workspace of this root; empty for any other path.
  std::string NameOf(const std::filesystem::path& workspace) const;
  void SignalRunning(int signal, bool agents_too) const;

  UniqueFd root_;
  std::set<std::string> running_;
};

}  // namespace runner::executor
