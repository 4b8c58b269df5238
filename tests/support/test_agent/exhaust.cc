#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {

int Flood(std::size_t bytes, bool binary) {
  std::string chunk(64 * 1024, 'x');
  if (binary) {
    for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<char>(i * 131 + (i >> 8));
  }
  Print("FIRST\n");
  for (std::size_t written = 0; written < bytes; written += chunk.size()) Print(chunk);
  Print("\nLAST");
  return 0;
}

int TouchMemory(std::size_t mebibytes) {
  const std::size_t size = mebibytes << 20;
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return 1;
  Print("touched\n");
  SleepOut();
}

// Sleeps when all is written; exits with the errno if the disk is full before.
int FillWorkspace(std::size_t bytes) {
  const int fd = ::open("output/fill", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return 1;
  const std::string chunk(64 * 1024, 'w');
  for (std::size_t written = 0; written < bytes;) {
    const std::size_t rest = bytes - written;
    const ssize_t wrote = ::write(fd, chunk.data(), rest < chunk.size() ? rest : chunk.size());
    if (wrote < 0) return errno;
    written += static_cast<std::size_t>(wrote);
  }
  Print("filled\n");
  SleepOut();
}

// Leaves no open descriptor of the file.
int MapRemoved(std::size_t mebibytes) {
  const std::size_t size = mebibytes << 20;
  const int fd = ::open("output/mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(size)) != 0) return 1;
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED || ::unlink("output/mapped") != 0) return 1;
  ::close(fd);
  std::memset(memory, 'x', size);
  SleepOut();
}

int ExhaustDescriptors() {
  std::size_t opened = 0;
  while (opened < 2'000'000 && ::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) ++opened;
  if (errno != EMFILE && errno != ENFILE) return 1;
  Print("out of descriptors after " + std::to_string(opened) + "\n");
  SleepOut();
}

int ExhaustProcesses(std::size_t most) {
  std::size_t forked = 0;
  for (; forked < most; ++forked) {
    const pid_t child = ::fork();
    if (child < 0) break;
    if (child == 0) {
      ::alarm(kLifetimeSeconds);
      SleepOut();
    }
  }
  Print((forked < most ? "out of processes after " : "forked ") + std::to_string(forked) + "\n");
  SleepOut();
}

}  // namespace runner::test_agent
