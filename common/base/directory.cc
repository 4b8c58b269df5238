#include "common/base/directory.h"

#include <cerrno>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace runner {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

// The mode is changed through a descriptor of the directory, since its name may lead elsewhere at
// any time. fchmod(2) rejects O_PATH descriptors, so chmod(2) uses the link in /proc.
OpenResult OpenDirectory(int dir_fd, const char* name, mode_t needed) {
  const UniqueFd path(::openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!path) return {UniqueFd(), errno};
  struct statx parent{};
  struct statx own{};
  if (::statx(dir_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &parent) != 0 ||
      ::statx(path.Get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &own) != 0) {
    return {UniqueFd(), errno};
  }
  const bool same_device =
      parent.stx_dev_major == own.stx_dev_major && parent.stx_dev_minor == own.stx_dev_minor;
  if (!same_device || (own.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return {UniqueFd(), EXDEV};
  const mode_t mode = own.stx_mode & 07777U;
  if ((mode & needed) != needed) {
    // A failure here is ignored: the operation that needs the permission fails and is reported.
    ::chmod(("/proc/self/fd/" + std::to_string(path.Get())).c_str(), mode | needed);
  }
  UniqueFd fd(::openat(path.Get(), ".", kDirectory));
  if (!fd) return {UniqueFd(), errno};
  return {std::move(fd), 0};
}

int ForEachEntry(int dir_fd, const std::function<bool(const char* name)>& visit) {
  UniqueFd fd(::openat(dir_fd, ".", kDirectory));
  if (!fd) return errno;
  DIR* const directory = ::fdopendir(fd.Get());
  if (directory == nullptr) return errno;
  (void)fd.Release();
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !visit(entry->d_name)) break;
  }
  ::closedir(directory);
  return error;
}

MovedAside MoveAside(int dir_fd, const std::string& name, const std::string& prefix, int max) {
  for (int n = 1; n <= max; ++n) {
    std::string target = prefix + std::to_string(n);
    if (::renameat2(dir_fd, name.c_str(), dir_fd, target.c_str(), RENAME_NOREPLACE) == 0) {
      return {std::move(target), 0};
    }
    if (errno == EINVAL) {
      // Not every file system supports the flag. No other program creates these names.
      struct stat status{};
      if (::fstatat(dir_fd, target.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) continue;
      if (::renameat(dir_fd, name.c_str(), dir_fd, target.c_str()) == 0) {
        return {std::move(target), 0};
      }
    }
    if (errno == ENOENT) return {};
    if (errno != EEXIST) return {"", errno};
  }
  return {"", EEXIST};
}

}  // namespace runner
