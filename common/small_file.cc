#include "common/small_file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/unique_fd.h"

namespace runner {
namespace {

std::string Reason(int error) { return std::generic_category().message(error); }

// At most `most` bytes. Nothing and errno when reading fails.
std::optional<std::string> ReadUpTo(int fd, std::size_t most) {
  std::string text(most, '\0');
  std::size_t total = 0;
  while (total < most) {
    const ssize_t got = ::read(fd, text.data() + total, most - total);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    total += static_cast<std::size_t>(got);
  }
  text.resize(total);
  return text;
}

}  // namespace

std::variant<SmallFile, std::string> ReadSmallFile(const std::string& path, std::size_t most) {
  struct stat status{};
  // Before it is opened: opening a device may do something.
  if (::stat(path.c_str(), &status) != 0) return Reason(errno);
  if (!S_ISREG(status.st_mode)) return "not a regular file";
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  // Of what was opened, which may be another file by now.
  if (!file || ::fstat(file.Get(), &status) != 0) return Reason(errno);
  if (!S_ISREG(status.st_mode)) return "not a regular file";
  auto text = ReadUpTo(file.Get(), most + 1);
  if (!text) return Reason(errno);
  if (text->size() > most) return "larger than " + std::to_string(most / 1024) + " KiB";
  return SmallFile{*std::move(text), IdentityOf(status)};
}

}  // namespace runner
