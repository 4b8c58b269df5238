#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

#include <sys/types.h>

namespace runner::executor {

// Processes that came to this one because their shim was lost, or, where it is the first of its
// container, because nobody else was there: every child that is not a shim.
// This works because the executor is a child subreaper, starts nothing but shims, and is the only
// one that reaps (prctl(2), PR_SET_CHILD_SUBREAPER). Children that are there before (a program may
// start helpers and then become the executor by exec) are none of its business. Not thread-safe.
class OrphanReaper {
 public:
  // Makes this process a child subreaper. Throws std::system_error, also when it cannot tell what
  // children it has.
  OrphanReaper();

  struct Sweep {
    std::size_t found = 0;     // children that are not shims, the ones reaped included
    std::uint32_t killed = 0;  // of those reaped, how many SIGKILL ended
    bool complete = false;     // the list of the children could be read
  };
  // Kills every stray and its process group and reaps what is dead already; never blocks. What the
  // dead leave behind turns up in the next sweep: nothing is left when two complete ones in a row
  // found nothing.
  Sweep Once(const std::set<pid_t>& shims) const;
  // Reaps what is dead already, and kills nobody. False when the children could not be listed.
  bool Reap(const std::set<pid_t>& shims) const;

 private:
  std::set<pid_t> inherited_;  // never reaped here, so their numbers stay theirs
};

}  // namespace runner::executor
