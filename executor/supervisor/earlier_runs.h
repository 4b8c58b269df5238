#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>

#include <sys/types.h>

#include "common/unique_fd.h"

namespace runner::executor {

// What an executor that died has left behind in the same workspace root: shims that still end their
// runs, each holding the lock (flock(2)) of its workspace, and, where a shim died as well,
// processes of a run that nobody looks after. Not thread-safe.
//
// An orphan is told by its environment (RUNNER_WORKSPACE, proc(5) /proc/PID/environ) and by nobody
// holding the lock of that workspace. An agent that hides its environment as well as its parent is
// not found: the shim is the proof, this is the second line.
class EarlierRuns {
 public:
  // `workspace_root` is absolute and may be missing.
  explicit EarlierRuns(std::filesystem::path workspace_root);

  // Names of the workspaces whose shim still holds the lock. Looks again at those that held it the
  // last time: everything in the root at first.
  const std::set<std::string>& StillRunning();
  // Sends SIGKILL to every orphan, once each call; how many there were.
  std::size_t KillOrphans() const;

 private:
  bool IsLocked(const std::string& workspace) const;

  const std::filesystem::path root_;
  UniqueFd root_fd_;
  std::set<std::string> running_;
};

}  // namespace runner::executor
