#include "executor/shim/usage.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/directory.h"
#include "common/base/unique_fd.h"
#include "executor/shim/clocks.h"

namespace runner::executor {
namespace {

constexpr std::uint64_t kMaxEntries = 1'000'000;
constexpr int kEntriesPerClockRead = 32;  // between two reads of the clock
constexpr std::size_t kMaxMapped = 100'000;
constexpr std::uint64_t kUnmeasurable = UINT64_MAX;
constexpr mode_t kReadable = S_IRUSR | S_IXUSR;
constexpr std::uint64_t kDiskReserve = 64 * 1024;

struct ProcessUsage {
  pid_t pid = 0;
  pid_t parent = 0;
  std::uint64_t resident_pages = 0;
  bool below = false;
};

// Reads a small file; truncates a longer one. Empty if it cannot be read.
template <std::size_t kSize>
void ReadSmall(const char* path, char (&text)[kSize]) {
  text[0] = '\0';
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return;
  const ssize_t got = ::read(file.Get(), text, kSize - 1);
  text[got > 0 ? got : 0] = '\0';
}

// "PID (COMMAND) STATE PARENT ... RSS ...": fields 4 and 24 of proc(5), stat. The command may
// contain any character and ends at the last ')'.
bool ReadProcess(const char* pid, ProcessUsage& usage) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  char text[1024];
  ReadSmall(path, text);
  const char* field = std::strrchr(text, ')');
  if (field == nullptr) return false;
  usage.pid = std::atoi(pid);
  for (int number = 3; number <= 24; ++number) {
    field = std::strchr(field, ' ');
    if (field == nullptr) return false;
    ++field;
    if (number == 4) usage.parent = std::atoi(field);
    if (number == 24) usage.resident_pages = std::strtoull(field, nullptr, 10);
  }
  return true;
}

std::vector<ProcessUsage> AllProcesses() {
  std::vector<ProcessUsage> all;
  DIR* const entries = ::opendir("/proc");
  if (entries == nullptr) return all;
  while (const dirent* entry = ::readdir(entries)) {
    ProcessUsage usage;
    const bool process = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    if (process && ReadProcess(entry->d_name, usage)) all.push_back(usage);
  }
  ::closedir(entries);
  return all;
}

// Returns all descendants of the process `root`, without `root`.
std::vector<ProcessUsage> ProcessesBelow(pid_t root) {
  std::vector<ProcessUsage> all = AllProcesses();
  const auto is_below = [&](pid_t pid) {
    const auto found = std::lower_bound(all.begin(), all.end(), pid,
                                        [](const ProcessUsage& p, pid_t id) { return p.pid < id; });
    return found != all.end() && found->pid == pid && found->below;
  };
  std::sort(all.begin(), all.end(),
            [](const ProcessUsage& a, const ProcessUsage& b) { return a.pid < b.pid; });
  // A parent usually has the lower pid, so one pass finds all, and the second sees no change.
  for (bool changed = true; changed;) {
    changed = false;
    for (ProcessUsage& process : all) {
      if (process.below || (process.parent != root && !is_below(process.parent))) continue;
      process.below = changed = true;
    }
  }
  std::erase_if(all, [](const ProcessUsage& process) { return !process.below; });
  return all;
}

}  // namespace

std::uint64_t ResidentBytesBelow(pid_t root) {
  std::uint64_t pages = 0;
  for (const ProcessUsage& process : ProcessesBelow(root)) pages += process.resident_pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

DiskWalk::DiskWalk(int directory_fd, pid_t root) : root_(root) {
  struct stat status{};
  if (::fstat(directory_fd, &status) == 0) device_ = status.st_dev;
  if ((status.st_mode & kReadable) != kReadable) ::fchmod(directory_fd, status.st_mode | kReadable);
  // Opened anew, since reading a directory moves the offset of its description.
  Push(UniqueFd(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

DiskWalk::~DiskWalk() {
  while (depth_ > 0) Leave();
  if (open_files_ != nullptr) ::closedir(open_files_);
  if (mappings_ != nullptr) std::fclose(mappings_);
}

bool DiskWalk::Continue(std::int64_t deadline) {
  for (int i = 1; Step(); ++i) {
    if (i % kEntriesPerClockRead == 0 && MonotonicNs() >= deadline) return false;
  }
  return true;
}

bool DiskWalk::Step() {
  if (bytes_ == kUnmeasurable) return false;
  if (depth_ == 0) return root_ != 0 && StepHolders();
  DIR* const directory = levels_[depth_ - 1];
  const dirent* const entry = ::readdir(directory);
  if (entry == nullptr) {
    Leave();
  } else if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0 &&
             !Count(::dirfd(directory), entry->d_name)) {
    bytes_ = kUnmeasurable;
  }
  return true;
}

bool DiskWalk::StepHolders() {
  if (!holders_listed_) {
    for (const ProcessUsage& process : ProcessesBelow(root_)) holders_.push_back(process.pid);
    holders_listed_ = true;
  } else if (open_files_ != nullptr) {
    StepOpenFile();
  } else if (mappings_ != nullptr) {
    StepMapping();
  } else if (next_holder_ < 2 * holders_.size()) {
    // All open files first, since their blocks are known.
    const bool open = next_holder_ < holders_.size();
    holder_ = holders_[next_holder_++ % holders_.size()];
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/%s", holder_, open ? "fd" : "maps");
    if (open) {
      open_files_ = ::opendir(path);
    } else {
      mappings_ = std::fopen(path, "re");
    }
  } else {
    return false;
  }
  return true;
}

void DiskWalk::StepOpenFile() {
  const dirent* const entry = ::readdir(open_files_);
  if (entry == nullptr) {
    ::closedir(open_files_);
    open_files_ = nullptr;
    return;
  }
  struct stat status{};
  // dirfd(3) does not fail for what opendir(3) has opened.
  // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions)
  if (entry->d_name[0] != '.' && ::fstatat(::dirfd(open_files_), entry->d_name, &status, 0) == 0) {
    CountRemoved(status);
  }
}

// "BEGIN-END ACCESS OFFSET MAJOR:MINOR INODE PATH" (proc_pid_maps(5)), all but the inode in
// hexadecimal. The path ends in " (deleted)" for a file without a name, or if that is its name.
void DiskWalk::StepMapping() {
  static char line[4 * PATH_MAX + 256];  // in a path, an escaped newline takes four bytes
  if (std::fgets(line, sizeof line, mappings_) == nullptr) {
    std::fclose(mappings_);
    mappings_ = nullptr;
    return;
  }
  constexpr const char* kDeleted = " (deleted)\n";
  const std::size_t length = std::strlen(line);
  const std::size_t suffix = std::strlen(kDeleted);
  if (length < suffix || std::strcmp(line + length - suffix, kDeleted) != 0) return;
  line[length - 1] = '\0';
  unsigned long begin = 0;
  unsigned long end = 0;
  unsigned long long offset = 0;
  unsigned major = 0;
  unsigned minor = 0;
  unsigned long long inode = 0;
  int path = 0;
  if (std::sscanf(line, "%lx-%lx %*s %llx %x:%x %llu %n", &begin, &end, &offset, &major, &minor,
                  &inode, &path) != 6) {
    return;
  }
  char file[96];
  std::snprintf(file, sizeof file, "/proc/%d/map_files/%lx-%lx", holder_, begin, end);
  struct stat status{};
  if (::stat(file, &status) == 0) return CountRemoved(status);
  if (makedev(major, minor) != device_) return;
  const bool named =
      ::stat(line + path, &status) == 0 && status.st_dev == device_ && status.st_ino == inode;
  if (!named) CountMapped(inode, offset + (end - begin));
}

void DiskWalk::CountRemoved(const struct stat& status) {
  if (S_ISREG(status.st_mode) && status.st_nlink == 0 && status.st_dev == device_ &&
      links_.Add(status.st_dev, status.st_ino)) {
    bytes_ += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
}

void DiskWalk::CountMapped(ino_t inode, std::uint64_t bytes) {
  const auto known = mapped_.find(inode);
  if (known == mapped_.end() && (mapped_.size() >= kMaxMapped || !links_.Add(device_, inode))) {
    return;
  }
  std::uint64_t& counted = mapped_[inode];
  if (bytes <= counted) return;
  bytes_ += bytes - counted;
  counted = bytes;
}

bool DiskWalk::Count(int directory_fd, const char* name) {
  struct stat status{};
  // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): of dirfd(3), as above
  if (::fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return true;
  if (++entries_ > kMaxEntries) return false;
  const bool is_directory = S_ISDIR(status.st_mode);
  if (is_directory || status.st_nlink <= 1 || links_.Add(status.st_dev, status.st_ino)) {
    bytes_ += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return !is_directory || Enter(directory_fd, name);
}

bool DiskWalk::Enter(int directory_fd, const char* name) {
  OpenResult below = OpenDirectory(directory_fd, name, kReadable);
  if (!below.fd) return true;
  if (depth_ == kMaxDepth) return false;
  Push(std::move(below.fd));
  return true;
}

void DiskWalk::Push(UniqueFd fd) {
  DIR* const directory = fd ? ::fdopendir(fd.Get()) : nullptr;
  if (directory == nullptr) return;
  (void)fd.Release();
  levels_[depth_++] = directory;
}

void DiskWalk::Leave() { ::closedir(levels_[--depth_]); }

std::uint64_t ParseOomKills(const char* text) {
  constexpr const char* kName = "oom_kill ";
  for (const char* line = text; line != nullptr && *line != '\0';) {
    if (std::strncmp(line, kName, std::strlen(kName)) == 0) {
      return std::strtoull(line + std::strlen(kName), nullptr, 10);
    }
    line = std::strchr(line, '\n');
    if (line != nullptr) ++line;
  }
  return 0;
}

std::uint64_t OomKills::Count() {
  // Lines of "HIERARCHY:CONTROLLERS:PATH" (cgroups(7)).
  char cgroup[PATH_MAX];
  ReadSmall("/proc/self/cgroup", cgroup);
  constexpr const char* kUnified = "0::";
  constexpr const char* kMemory = ":memory:";
  const char* const v1 = std::strstr(cgroup, kMemory);
  const char* const v2 = std::strstr(cgroup, kUnified);
  char path[PATH_MAX + 64];
  char text[4096];
  text[0] = '\0';
  if (v1 != nullptr) {
    const char* const begin = v1 + std::strlen(kMemory);
    std::snprintf(path, sizeof path, "/sys/fs/cgroup/memory%.*s/memory.oom_control",
                  static_cast<int>(std::strcspn(begin, "\n")), begin);
    ReadSmall(path, text);
    // In a container the path may be the host's while the mount is the container's.
    if (text[0] == '\0') ReadSmall("/sys/fs/cgroup/memory/memory.oom_control", text);
  } else if (v2 != nullptr) {
    const char* const begin = v2 + std::strlen(kUnified);
    std::snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/memory.events",
                  static_cast<int>(std::strcspn(begin, "\n")), begin);
    ReadSmall(path, text);
    if (text[0] == '\0') ReadSmall("/sys/fs/cgroup/memory.events", text);
  }
  return ParseOomKills(text);
}

bool IsDiskFull(int directory_fd) {
  struct statvfs status{};
  return ::fstatvfs(directory_fd, &status) == 0 &&
         std::uint64_t{status.f_bavail} * status.f_frsize < kDiskReserve;
}

}  // namespace runner::executor
