#pragma once

#include <cstdint>

#include <sys/types.h>

namespace runner::executor {

// What a run uses, looked at from outside. Nothing here fails: what cannot be read counts as 0.

// Bytes resident in all descendants of the process `root`, without itself: the sum of what
// proc(5) says of each, so that pages shared between them count more than once.
std::uint64_t ResidentBytesBelow(pid_t root);

// Bytes of disk that the tree below a directory takes. Links are counted, not followed. A tree that
// has more than a million entries or 128 levels is UINT64_MAX: it is over every limit. On a disk so
// slow that it takes longer than half a second, what was counted until then: the shim has an agent
// to look after.
std::uint64_t DiskBytesBelow(int directory_fd);

// How many processes the kernel has killed for want of memory in the cgroup of this process:
// memory.events of cgroup v2, memory.oom_control of v1.
class OomKills {
 public:
  // Remembers the count of now.
  OomKills() : before_(Count()) {}
  bool Grown() const { return Count() > before_; }

 private:
  static std::uint64_t Count();

  const std::uint64_t before_;
};

// The number behind `oom_kill ` in such a file; 0 where there is none.
std::uint64_t ParseOomKills(const char* text);

// True when so little room is left on the file system that it counts as full.
bool IsDiskFull(int directory_fd);

}  // namespace runner::executor
