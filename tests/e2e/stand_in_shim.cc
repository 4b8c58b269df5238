// runner-shim-stand-in replaces runner-shim for incidents of some names and does what the real shim
// never does. For all other incidents it executes the real shim, which is beside it as
// runner-shim-real.
//
// "uncontained": waits for the file $TEST_GATE, leaves a process that its executor may not kill,
// and exits. The file is set-uid root, and the executor does not run as root. "signaller": sends
// the executor SIGTERM thousands of times, and continues as the real shim. "descriptors": writes
// its open descriptors to $TEST_GATE, and continues as the real shim.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

namespace {

constexpr int kTurns = 3000;
constexpr useconds_t kTurnMicroseconds = 10'000;

// Runs as long as the shim or its executor is its parent.
int Stay(pid_t shim, pid_t executor) {
  if (::setresuid(0, 0, 0) != 0) return 1;
  ::close(STDIN_FILENO);  // signals the shim
  for (int turn = 0; turn < kTurns; ++turn) {
    const pid_t parent = ::getppid();
    if (parent != shim && parent != executor) return 0;
    ::usleep(kTurnMicroseconds);
  }
  return 0;
}

int LeaveUnkillable(const char* self, const char* gate) {
  for (int turn = 0; turn < kTurns && ::access(gate, F_OK) != 0; ++turn) {
    ::usleep(kTurnMicroseconds);
  }
  int ready[2];
  if (::pipe(ready) != 0) return 1;
  const std::string shim = std::to_string(::getpid());
  const std::string executor = std::to_string(::getppid());
  if (::fork() == 0) {
    ::dup2(ready[1], STDIN_FILENO);
    for (int fd = 3; fd < 16; ++fd) ::close(fd);
    ::execl(self, self, "stay", shim.c_str(), executor.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ready[1]);
  char none;
  [[maybe_unused]] const auto end = ::read(ready[0], &none, 1);
  return 0;
}

void WriteDescriptors(const char* path) {
  DIR* const directory = ::opendir("/proc/self/fd");
  std::string list;
  while (const dirent* entry = ::readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(directory)) list += std::to_string(fd) + " ";
  }
  ::closedir(directory);
  if (std::FILE* const file = std::fopen(path, "w")) {
    std::fputs(list.c_str(), file);
    std::fclose(file);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "stay") == 0) {
    return Stay(std::atoi(argv[2]), std::atoi(argv[3]));
  }
  // Only the process that stays keeps set-uid.
  if (::setresuid(::getuid(), ::getuid(), ::getuid()) != 0) return 1;
  const char* const gate = std::getenv("TEST_GATE");
  const std::string name = std::getenv("RUNNER_RESOURCE_NAME");
  if (name == "uncontained") return LeaveUnkillable(argv[0], gate);
  if (name == "descriptors") WriteDescriptors(gate);
  for (int i = 0; name == "signaller" && i < 20'000; ++i) ::kill(::getppid(), SIGTERM);
  ::execv((std::string(argv[0]) + "-real").c_str(), argv);
  return 1;
}
