#include "common/base/bounded_file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace runner {
namespace {

std::string Reason(int error) { return std::generic_category().message(error); }

std::string NotRegular(mode_t mode) {
  const char* const kind = S_ISDIR(mode)    ? "directory"
                           : S_ISFIFO(mode) ? "pipe"
                           : S_ISSOCK(mode) ? "socket"
                                            : "device";
  return std::string("not a regular file but a ") + kind;
}

std::string SizeText(std::size_t bytes) {
  constexpr std::size_t kMebi = std::size_t{1} << 20;
  return bytes % kMebi == 0 ? std::to_string(bytes / kMebi) + " MiB"
                            : std::to_string(bytes / 1024) + " KiB";
}

// Reads at max_bytes `max_bytes` bytes. Returns nothing, with errno set, if read(2) fails.
std::optional<std::string> ReadUpTo(int fd, std::size_t max_bytes) {
  constexpr std::size_t kChunk = 64 * 1024;
  std::string text;
  while (text.size() < max_bytes) {
    const std::size_t total = text.size();
    text.resize(std::min(max_bytes, total + kChunk));
    const ssize_t got = ::read(fd, text.data() + total, text.size() - total);
    text.resize(total + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) return std::nullopt;
  }
  return text;
}

}  // namespace

std::variant<BoundedFile, std::string> ReadBoundedFile(const std::string& path,
                                                       std::size_t max_bytes) {
  struct stat status{};
  // Checked before open(2): opening a device can have side effects.
  if (::stat(path.c_str(), &status) != 0) return Reason(errno);
  if (!S_ISREG(status.st_mode)) return NotRegular(status.st_mode);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  // Checked again after open(2): the path may name another file by now.
  if (!file || ::fstat(file.Get(), &status) != 0) return Reason(errno);
  if (!S_ISREG(status.st_mode)) return NotRegular(status.st_mode);
  auto text = ReadUpTo(file.Get(), max_bytes + 1);
  if (!text) return Reason(errno);
  if (text->size() > max_bytes) return "larger than " + SizeText(max_bytes);
  return BoundedFile{*std::move(text), IdentityOf(status)};
}

}  // namespace runner
