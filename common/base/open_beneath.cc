#include "common/base/open_beneath.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runner {
namespace {

constexpr int kAlways = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

OpenResult FromCall(long result) {
  if (result < 0) return {UniqueFd(), errno};
  return {UniqueFd(static_cast<int>(result)), 0};
}

}  // namespace

OpenResult OpenBeneath(int dir_fd, const std::string& path, int flags) {
  if (path.find('\0') != std::string::npos) return {UniqueFd(), EINVAL};
  open_how how{};
  how.flags = static_cast<decltype(how.flags)>(flags | kAlways);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
  // A system call filter that does not know this call returns EPERM.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    return OpenBeneathByComponents(dir_fd, path, flags);
  }
  return FromCall(fd);
}

OpenResult OpenBeneathByComponents(int dir_fd, const std::string& path, int flags) {
  if (path.find('\0') != std::string::npos) return {UniqueFd(), EINVAL};
  if (path.starts_with('/')) return {UniqueFd(), EXDEV};
  if (path.empty()) return {UniqueFd(), ENOENT};
  UniqueFd directory;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string component = path.substr(at, end - at);
    const bool last = path.find_first_not_of('/', end) == std::string::npos;
    if (component == "..") return {UniqueFd(), EXDEV};
    const int from = directory ? directory.Get() : dir_fd;
    const int how = last ? flags : O_PATH | O_DIRECTORY;
    const std::string_view name = component.empty() ? "." : std::string_view(component);
    OpenResult next =
        FromCall(::openat(from, std::string(name).c_str(), how | O_NOFOLLOW | kAlways));
    if (last || !next.fd) return next;
    directory = std::move(next.fd);
    at = end + 1;
  }
}

}  // namespace runner
