#include "common/base/memfd_file.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace runner {
namespace {

[[noreturn]] void Fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

}  // namespace

MemfdFile::MemfdFile(const std::string& text) : fd_(Make(text)) {}

void MemfdFile::Replace(const std::string& text) {
  const UniqueFd next = Make(text);
  // dup3(2) keeps the number, and so the path, and replaces the file in one step.
  if (::dup3(next.Get(), fd_.Get(), O_CLOEXEC) < 0) Fail("dup3");
}

UniqueFd MemfdFile::Make(const std::string& text) {
  UniqueFd made(::memfd_create("runner-staged", MFD_CLOEXEC));
  if (!made) Fail("memfd_create");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(made.Get(), text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail("write");
    done += static_cast<std::size_t>(written);
  }
  const timespec version{++version_, 0};
  if (::futimens(made.Get(), std::array{version, version}.data()) != 0) Fail("futimens");
  return made;
}

}  // namespace runner
