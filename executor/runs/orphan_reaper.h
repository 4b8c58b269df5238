#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

#include <sys/types.h>

namespace runner::executor {

// Kills and reaps orphans: children of this process that are not shims. They became its children
// because their shim was lost, or because this is process 1 of its container. The executor is a
// child subreaper, starts only shims, and is the only one that reaps (prctl(2),
// PR_SET_CHILD_SUBREAPER). Children that exist before (a program may start helpers and then exec
// the executor) are ignored. Not thread-safe.
class OrphanReaper {
 public:
  // Makes this process a child subreaper. Throws std::system_error if that fails, or if its
  // children cannot be listed.
  OrphanReaper();

  struct Sweep {
    std::size_t found = 0;     // children that are not shims, including the reaped ones
    std::uint32_t killed = 0;  // of the reaped ones, those that SIGKILL ended
    bool complete = false;     // the list of the children could be read
  };
  // Kills every orphan and its process group, and reaps the dead ones; never blocks. Children of
  // the dead appear in the next sweep: no orphan is left when two complete sweeps in a row have
  // found none.
  Sweep Once(const std::set<pid_t>& shims) const;
  // Reaps the dead orphans without killing any. Returns false if the children could not be listed.
  bool Reap(const std::set<pid_t>& shims) const;

 private:
  std::set<pid_t> inherited_;  // never reaped here, so their pids cannot be reused
};

}  // namespace runner::executor
