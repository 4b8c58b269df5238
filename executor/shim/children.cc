#include "executor/shim/children.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/unique_fd.h"

namespace runner::executor {
namespace {

// Feeds the numbers of one `children` file to `visit`. False when there is no such file.
bool VisitChildrenFile(const char* path, VisitChild visit, void* context) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return false;
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
  if (number > 0) visit(number, context);
  return true;
}

// The parent of the process, 0 when it is gone.
pid_t ParentOf(const char* pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (!file || ::read(file.Get(), text, sizeof text - 1) <= 0) return 0;
  // "PID (COMMAND) STATE PARENT ...": the command may hold anything, so it ends at the last ')'.
  const char* const end = std::strrchr(text, ')');
  return end == nullptr || std::strlen(end) < 5 ? 0 : std::atoi(end + 4);
}

template <typename Use>
bool ForEachEntry(const char* directory, Use use) {
  DIR* const entries = ::opendir(directory);
  if (entries == nullptr) return false;
  while (const dirent* entry = ::readdir(entries)) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') use(entry->d_name);
  }
  ::closedir(entries);
  return true;
}

}  // namespace

void ForEachChild(VisitChild visit, void* context) {
  bool found = false;
  ForEachEntry("/proc/self/task", [&](const char* thread) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%.20s/children", thread);
    found = VisitChildrenFile(path, visit, context) || found;
  });
  if (found) return;
  const pid_t self = ::getpid();
  ForEachEntry("/proc", [&](const char* pid) {
    if (ParentOf(pid) == self) visit(std::atoi(pid), context);
  });
}

}  // namespace runner::executor
