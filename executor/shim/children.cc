#include "executor/shim/children.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace runner::executor {
namespace {

enum class Listing { kRead, kGone, kUnreadable };

// Why a file of a process could not be read: the process is gone, or belongs to another user and
// therefore is no child of this one, or the cause is unknown.
Listing FailedListing(int error) {
  const bool gone = error == ENOENT || error == ESRCH || error == EACCES || error == EPERM;
  return gone ? Listing::kGone : Listing::kUnreadable;
}

// Passes the pids of one `children` file to `visit`.
Listing VisitChildrenFile(const char* path, VisitChild visit, void* context) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return FailedListing(errno);
  char buffer[4096];
  pid_t number = 0;
  ssize_t got;
  while ((got = ::read(file.Get(), buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < got; ++i) {
      if (buffer[i] >= '0' && buffer[i] <= '9') {
        number = number * 10 + (buffer[i] - '0');
      } else {
        if (number > 0) visit(number, context);
        number = 0;
      }
    }
  }
  if (got < 0) return FailedListing(errno);
  if (number > 0) visit(number, context);
  return Listing::kRead;
}

// Reads the parent of a process.
Listing ReadParent(const char* pid, pid_t& parent) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return FailedListing(errno);
  char text[512] = {};
  if (::read(file.Get(), text, sizeof text - 1) < 0) return FailedListing(errno);
  // "PID (COMMAND) STATE PARENT ...": the command may contain any character and ends at the last
  // ')'.
  const char* const end = std::strrchr(text, ')');
  if (end == nullptr || std::strlen(end) < 5) return Listing::kUnreadable;
  parent = std::atoi(end + 4);
  return Listing::kRead;
}

// Returns false if the directory could not be read to its end.
template <typename Use>
bool ForEachEntry(const char* directory, Use use) {
  DIR* const entries = ::opendir(directory);
  if (entries == nullptr) return false;
  errno = 0;
  while (const dirent* entry = ::readdir(entries)) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') use(entry->d_name);
    errno = 0;
  }
  const bool whole = errno == 0;
  ::closedir(entries);
  return whole;
}

}  // namespace

bool ForEachChild(VisitChild visit, void* context) {
  bool found = false;
  bool readable = true;
  const auto visit_thread = [&](const char* thread) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%.20s/children", thread);
    const Listing listing = VisitChildrenFile(path, visit, context);
    if (listing == Listing::kRead) found = true;
    if (listing == Listing::kUnreadable) readable = false;
  };
  if (!ForEachEntry("/proc/self/task", visit_thread)) return false;
  if (found || !readable) return readable;
  const pid_t self = ::getpid();
  const auto visit_process = [&](const char* pid) {
    pid_t parent = 0;
    const Listing listing = ReadParent(pid, parent);
    if (listing == Listing::kUnreadable) readable = false;
    if (listing == Listing::kRead && parent == self) visit(std::atoi(pid), context);
  };
  return ForEachEntry("/proc", visit_process) && readable;
}

pid_t ChildAbove(pid_t pid) {
  const pid_t self = ::getpid();
  // Bounded, since the parents change during the walk.
  for (int generation = 0; generation < 1000 && pid > 1; ++generation) {
    const pid_t below = pid;
    char number[16];
    std::snprintf(number, sizeof number, "%d", pid);
    if (ReadParent(number, pid) != Listing::kRead) return 0;
    if (pid == self) return below;
  }
  return 0;
}

std::size_t ListThreads(pid_t process, pid_t* ids, std::size_t max) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task", process);
  std::size_t count = 0;
  ForEachEntry(path, [&](const char* thread) {
    if (count < max) ids[count++] = std::atoi(thread);
  });
  return count;
}

}  // namespace runner::executor
