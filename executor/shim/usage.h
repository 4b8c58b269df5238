#pragma once

#include <cstdint>

#include <dirent.h>
#include <sys/types.h>

namespace runner::executor {

// What a run uses, looked at from outside. Nothing here fails: what cannot be read counts as 0.

// Bytes resident in all descendants of the process `root`, without itself: the sum of what
// proc(5) says of each, so that pages shared between them count more than once.
std::uint64_t ResidentBytesBelow(pid_t root);

// Adds up the bytes of disk that the tree below a directory takes, a slice at a time. Links are
// counted, not followed; what comes and goes meanwhile may be missed. A tree that has more than a
// million entries or 128 levels is UINT64_MAX bytes: over every limit.
class DiskWalk {
 public:
  // The descriptor stays the caller's.
  explicit DiskWalk(int directory_fd);
  ~DiskWalk();
  DiskWalk(const DiskWalk&) = delete;
  DiskWalk& operator=(const DiskWalk&) = delete;

  // Goes on until about the deadline (monotonic, nanoseconds). True when all was seen.
  bool Continue(std::int64_t deadline);
  // What was seen so far.
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr int kMaxDepth = 128;

  // False when that would be too deep.
  bool Enter(int directory_fd, const char* name);
  bool Count(int directory_fd, const char* name);
  void Leave();

  DIR* levels_[kMaxDepth] = {};  // the open ones, the deepest last
  int depth_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

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
