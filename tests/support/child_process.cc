#include "tests/support/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace runner::support {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Environment BaseEnvironment() {
  constexpr std::array<const char*, 8> kNames = {"PATH",         "HOME",         "TMPDIR",
                                                 "LANG",         "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                                 "LSAN_OPTIONS", "TSAN_OPTIONS"};
  Environment environment;
  for (const char* name : kNames) {
    if (const char* value = std::getenv(name)) environment[name] = value;
  }
  return environment;
}

ChildProcess::ChildProcess(const Command& command) {
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  constexpr int kCreate = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, command.stdout_file.c_str(), kCreate,
                                     0600);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, command.stderr_file.c_str(), kCreate,
                                     0600);
  ::posix_spawn_file_actions_addchdir_np(&actions, command.directory.c_str());
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  const int error = ::posix_spawnp(&pid_, arguments.front().c_str(), &actions, nullptr,
                                   Pointers(arguments).data(), Pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), arguments.front());
  pidfd_.Reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) throw std::system_error(errno, std::generic_category(), "pidfd_open");
}

ChildProcess::~ChildProcess() { Kill(); }

void ChildProcess::Signal(int signal) {
  if (!exit_) ::syscall(SYS_pidfd_send_signal, pidfd_.Get(), signal, nullptr, 0);
}

void ChildProcess::Terminate() { Signal(SIGTERM); }

void ChildProcess::Kill() {
  Signal(SIGKILL);
  WaitForExit(std::chrono::seconds(10));
}

std::optional<int> ChildProcess::WaitForExit(Duration limit) {
  if (exit_) return exit_;
  pollfd poll{pidfd_.Get(), POLLIN, 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  if (::poll(&poll, 1, static_cast<int>(ms)) != 1) return std::nullopt;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0) return std::nullopt;
  exit_ = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  return exit_;
}

std::optional<std::filesystem::path> FindProgram(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    std::filesystem::path file = std::filesystem::path(directory) / name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

}  // namespace runner::support
