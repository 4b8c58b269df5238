#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <unordered_map>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/base/seen_links.h"
#include "common/base/unique_fd.h"

namespace runner::executor {

// What a run uses, looked at from outside. Nothing here fails: what cannot be read counts as 0.

// Bytes resident in all descendants of the process `root`, without itself: the sum of what
// proc(5) says of each, so that pages shared between them count more than once.
std::uint64_t ResidentBytesBelow(pid_t root);

// Adds up the bytes of disk that a run takes, a slice at a time: the tree below its workspace, and
// files of that device that descendants of the process `root` hold open or mapped and that have no
// name any more. Each file counts once, by its blocks; links are not followed, mounts not entered.
// Directories that their owner may not read are made readable. Of a file that is mapped and not
// open, only a process with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE sees the blocks; for others it
// counts up to the highest offset that is mapped.
//
// Files that come and go meanwhile may be missed, and so are files without a name that only a
// message in a socket holds, or a process that this one may not look into. A tree that has more
// than a million entries or 128 levels is UINT64_MAX bytes: over every limit.
class DiskWalk {
 public:
  // The descriptor stays the caller's. `root` 0: only the tree.
  explicit DiskWalk(int directory_fd, pid_t root = 0);
  ~DiskWalk();
  DiskWalk(const DiskWalk&) = delete;
  DiskWalk& operator=(const DiskWalk&) = delete;

  // Goes on until about the deadline (monotonic, nanoseconds). True when all was seen.
  bool Continue(std::int64_t deadline);
  // What was seen so far.
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr int kMaxDepth = 128;

  // One entry of the tree, or of a process. False when there is no more.
  bool Step();
  bool StepHolders();
  void StepOpenFile();
  void StepMapping();
  void CountRemoved(const struct stat& status);
  void CountMapped(ino_t inode, std::uint64_t bytes);
  // False when that would be too deep.
  bool Enter(int directory_fd, const char* name);
  void Push(UniqueFd directory);
  bool Count(int directory_fd, const char* name);
  void Leave();

  const pid_t root_;
  dev_t device_ = 0;
  DIR* levels_[kMaxDepth] = {};  // the open ones, the deepest last
  int depth_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  SeenLinks links_;
  bool holders_listed_ = false;
  std::vector<pid_t> holders_;   // descendants of root_
  std::size_t next_holder_ = 0;  // each is looked into for open files, then each for mapped ones
  pid_t holder_ = 0;             // the one that is looked into
  DIR* open_files_ = nullptr;
  std::FILE* mappings_ = nullptr;
  std::unordered_map<ino_t, std::uint64_t> mapped_;  // bytes, where the blocks are not known
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
