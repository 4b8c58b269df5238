#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>

#include <signal.h>
#include <sys/types.h>

#include "common/base/unique_fd.h"

namespace runner::executor {

// What an executor that died has left behind in the same workspace root: shims that still end their
// runs, each holding the lock (flock(2)) of its workspace, and, where a shim died as well,
// processes of a run that nobody looks after. Not thread-safe.
//
// An orphan is told by its environment (RUNNER_WORKSPACE, proc(5) /proc/PID/environ) and by nobody
// holding the lock of that workspace; a shim by its command line, since its environment can only be
// read by root. An agent that hides its environment as well as its parent is not found: the shim is
// the proof, this is the second line.
class LeftoverRuns {
 public:
  // `workspace_root` is absolute and may be missing. However it is spelled, and through whatever
  // link, it is the same directory.
  explicit LeftoverRuns(const std::filesystem::path& workspace_root);

  // Names of the workspaces whose shim still holds the lock. Looks again at those that held it the
  // last time: everything in the root at first.
  const std::set<std::string>& StillRunning();
  // Sends SIGCONT to the shims of StillRunning: an agent may have stopped its own.
  void Continue() const { SignalRunning(SIGCONT, false); }
  // Sends SIGKILL to the shims of StillRunning and to whatever runs in those workspaces.
  void Kill() const { SignalRunning(SIGKILL, true); }
  // Sends SIGKILL to every orphan, once each call; how many there were. Processes that are started
  // while it looks are looked at as well.
  std::size_t KillOrphans() const;

 private:
  bool IsLocked(const std::string& workspace) const;
  // The name of a workspace of this root; empty for any other path.
  std::string NameOf(const std::filesystem::path& workspace) const;
  void SignalRunning(int signal, bool agents_too) const;

  UniqueFd root_;
  std::set<std::string> running_;
};

}  // namespace runner::executor
