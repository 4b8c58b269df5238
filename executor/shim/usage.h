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

// Measures the resources of a run from outside. No function fails: what cannot be read counts as 0.

// Returns the resident bytes of all descendants of the process `root`, without `root`: the sum of
// the values in proc(5), so shared pages count more than once.
std::uint64_t ResidentBytesBelow(pid_t root);

// Measures the disk space of a run in slices: the tree below its workspace, and files of that
// device without a name that descendants of the process `root` hold open or mapped. Each file
// counts once, by its blocks; symbolic links are not followed, mounts not entered. Directories that
// their owner may not read are made readable. The blocks of a file that is mapped and not open are
// visible only with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE; without, the file counts up to the
// highest mapped offset.
//
// May miss files that appear and vanish during the walk, and files without a name that exist only
// in a message in a socket, or in a process that this one may not inspect. A tree with more than a
// million entries or 128 levels counts as UINT64_MAX bytes, which exceeds every limit.
class DiskWalk {
 public:
  // The caller owns the descriptor. `root` 0: only the tree.
  explicit DiskWalk(int directory_fd, pid_t root = 0);
  ~DiskWalk();
  DiskWalk(const DiskWalk&) = delete;
  DiskWalk& operator=(const DiskWalk&) = delete;

  // Continues until about the deadline (monotonic, nanoseconds). Returns true when the walk is
  // complete.
  bool Continue(std::int64_t deadline);
  // Bytes counted so far.
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr int kMaxDepth = 128;

  // Processes one entry of the tree, or of a process. Returns false at the end.
  bool Step();
  bool StepHolders();
  void StepOpenFile();
  void StepMapping();
  void CountRemoved(const struct stat& status);
  void CountMapped(ino_t inode, std::uint64_t bytes);
  // Returns false if that exceeds kMaxDepth.
  bool Enter(int directory_fd, const char* name);
  void Push(UniqueFd directory);
  bool Count(int directory_fd, const char* name);
  void Leave();

  const pid_t root_;
  dev_t device_ = 0;
  DIR* levels_[kMaxDepth] = {};  // open directories, deepest last
  int depth_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  SeenLinks links_;
  bool holders_listed_ = false;
  std::vector<pid_t> holders_;   // descendants of root_
  std::size_t next_holder_ = 0;  // first pass: open files; second pass: mapped files
  pid_t holder_ = 0;             // the current process
  DIR* open_files_ = nullptr;
  std::FILE* mappings_ = nullptr;
  std::unordered_map<ino_t, std::uint64_t> mapped_;  // bytes, if the blocks are not known
};

// Counts the processes that the kernel has killed for lack of memory in the cgroup of this process:
// memory.events of cgroup v2, memory.oom_control of v1.
class OomKills {
 public:
  // Remembers the current count.
  OomKills() : before_(Count()) {}
  bool Grown() const { return Count() > before_; }

 private:
  static std::uint64_t Count();

  const std::uint64_t before_;
};

// The number after `oom_kill ` in the text; 0 if there is none.
std::uint64_t ParseOomKills(const char* text);

// Returns true if the file system has so little space left that it counts as full.
bool IsDiskFull(int directory_fd);

}  // namespace runner::executor
