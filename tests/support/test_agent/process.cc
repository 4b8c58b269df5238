#include <functional>

#include <fcntl.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {

void SleepOut() {
  ::alarm(kLifetimeSeconds);
  for (;;) ::pause();
}

void Print(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (wrote < 0) ::_exit(99);
    at += static_cast<std::size_t>(wrote);
  }
}

// Runs `child` in a new process; returns when that has reported that it is ready by closing the
// pipe.
void ForkAndAwait(const std::function<void()>& child, bool keep_stdio) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) ::_exit(98);
  if (::fork() == 0) {
    ::close(ready[0]);
    if (!keep_stdio) {
      for (int fd = 0; fd < 3; ++fd) ::close(fd);
    }
    ::dup2(ready[1], 3);
    ::alarm(kLifetimeSeconds);
    child();
    ::_exit(0);
  }
  ::close(ready[1]);
  char byte;
  while (::read(ready[0], &byte, 1) > 0) {
  }
  ::close(ready[0]);
}

void DeclareReady() { ::close_range(3, ~0U, 0); }

}  // namespace runner::test_agent
