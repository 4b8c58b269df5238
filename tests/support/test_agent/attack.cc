#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {
namespace {

// The parent of a process from proc(5) stat; 0 if it cannot be read. A command name may contain any
// character, so the fields are counted from its last parenthesis.
pid_t ParentOf(pid_t pid) {
  std::FILE* const file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
  if (file == nullptr) return 0;
  char text[1024] = {};
  const std::size_t got = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const std::string line(text, got);
  const auto end = line.rfind(')');
  int parent = 0;
  if (end == std::string::npos || std::sscanf(line.c_str() + end, ") %*c %d", &parent) != 1)
    return 0;
  return parent;
}

std::vector<pid_t> ThreadsOf(pid_t process) {
  std::vector<pid_t> threads;
  DIR* const entries = ::opendir(("/proc/" + std::to_string(process) + "/task").c_str());
  if (entries == nullptr) return threads;
  while (const dirent* entry = ::readdir(entries)) {
    if (entry->d_name[0] != '.') threads.push_back(std::atoi(entry->d_name));
  }
  ::closedir(entries);
  return threads;
}

}  // namespace

int KillShim() {
  ForkAndAwait([] {
    ::setsid();
    ::signal(SIGTERM, SIG_IGN);
    DeclareReady();
    SleepOut();
  });
  ::kill(::getppid(), SIGKILL);
  SleepOut();
}

// Only a group that the executor leads: another group may contain the test itself.
int KillExecutorGroup() {
  const pid_t executor = ParentOf(::getppid());
  if (executor <= 1 || ::getpgid(executor) != executor) return 65;
  ::kill(-executor, SIGTERM);
  SleepOut();
}

// Tries every way to send a signal to a process of the same user. Prints the ways that succeed
// once. With `once` it also tries the threads of the executor. Without, it repeats endlessly, also
// from processes that end at once.
int SignalExecutor(const std::string& once) {
  const pid_t executor = ParentOf(::getppid());
  if (executor <= 1) return 65;
  int pipe[2];
  if (::pipe(pipe) != 0) return 1;
  const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, executor, 0));
  const auto queue = [&](long call, int signal) {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    info.si_pid = 0;  // pretends to come from outside
    return call == SYS_rt_sigqueueinfo ? ::syscall(call, executor, signal, &info)
                                       : ::syscall(call, executor, executor, signal, &info);
  };
  const auto own = [&](int signal) {
    const f_owner_ex owner{F_OWNER_PID, executor};
    if (::fcntl(pipe[0], F_SETOWN, executor) != 0 && ::fcntl(pipe[0], F_SETOWN_EX, &owner) != 0 &&
        ::ioctl(pipe[0], FIOSETOWN, &executor) != 0) {
      return -1;
    }
    ::fcntl(pipe[0], F_SETSIG, signal);
    return ::fcntl(pipe[0], F_SETFL, O_ASYNC) == 0 && ::write(pipe[1], "x", 1) == 1 ? 0 : -1;
  };
  // By the 32-bit system call, in a child, since a kernel without these kills the caller.
  const auto call_of_32_bits = [&](int signal) -> long {
#if defined(__x86_64__)
    const pid_t child = ::fork();
    if (child == 0) {
      constexpr long kKill = 37;
      long result = kKill;
      asm volatile("int $0x80" : "+a"(result) : "b"(executor), "c"(signal) : "memory");
      ::_exit(result == 0 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
#else
    static_cast<void>(signal);
    return -1;
#endif
  };
  const std::map<std::string, std::function<long(int)>> ways = {
      {"32-bit", call_of_32_bits},
      {"kill", [&](int signal) { return ::kill(executor, signal); }},
      {"tkill", [&](int signal) { return ::syscall(SYS_tkill, executor, signal); }},
      {"tgkill", [&](int signal) { return ::syscall(SYS_tgkill, executor, executor, signal); }},
      {"sigqueue", [&](int signal) { return queue(SYS_rt_sigqueueinfo, signal); }},
      {"tgsigqueue", [&](int signal) { return queue(SYS_rt_tgsigqueueinfo, signal); }},
      {"pidfd",
       [&](int signal) { return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0); }},
      {"owner", own}};
  std::string succeeded;
  for (const auto& [name, send] : ways) {
    if (send(SIGTERM) == 0) succeeded += " " + name;
  }
  for (const pid_t thread : ThreadsOf(executor)) {
    if (!once.empty() && ::kill(thread, SIGTERM) == 0) succeeded += " thread";
  }
  Print("signals sent by:" + succeeded + "\n");
  if (!once.empty()) return 0;
  for (;;) {
    for (const auto& [name, send] : ways) {
      for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) send(signal);
    }
    if (const pid_t child = ::fork(); child == 0) {
      ::setsid();
      ::kill(executor, SIGTERM);
      ::_exit(0);
    } else if (child > 0) {
      ::waitpid(child, nullptr, 0);
    }
  }
}

// Tries every access to the memory, the descriptors and the files of proc(5). Prints those that
// succeed.
int LookIntoExecutor() {
  const pid_t executor = ParentOf(::getppid());
  if (executor <= 1) return 65;
  const std::string files = "/proc/" + std::to_string(executor) + "/";
  const auto opens = [&](const char* file, int flags) {
    const int fd = ::open((files + file).c_str(), flags | O_CLOEXEC);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  };
  std::string succeeded;
  for (const char* file : {"environ", "maps", "fd"}) {
    if (opens(file, O_RDONLY)) succeeded += std::string(" ") + file;
  }
  for (const char* file : {"mem", "oom_score_adj", "coredump_filter", "clear_refs", "autogroup"}) {
    if (opens(file, O_RDWR) || opens(file, O_WRONLY)) succeeded += std::string(" ") + file;
  }
  const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, executor, 0));
  if (::syscall(SYS_pidfd_getfd, pidfd, 0, 0) >= 0) succeeded += " pidfd_getfd";
  if (::syscall(SYS_kcmp, executor, ::getpid(), 0, 0, 0) >= 0) succeeded += " kcmp";
  char byte = 0;
  iovec here{&byte, 1};
  iovec there{nullptr, 1};
  // The kernel checks the permission before the address.
  if (::process_vm_readv(executor, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT) {
    succeeded += " process_vm_readv";
  }
  if (::ptrace(PTRACE_SEIZE, executor, nullptr, nullptr) == 0) succeeded += " ptrace";
  Print("looked into by:" + succeeded + "\n");
  return 0;
}

// Leaves a forged record and a process, and kills the shim.
int ForgeRecord() {
  const std::string id = std::getenv("RUNNER_INCIDENT_ID");
  const std::string attempt = std::getenv("RUNNER_ATTEMPT");
  std::FILE* const file = std::fopen(("../.spool/" + id + "." + attempt + ".json").c_str(), "w");
  if (file == nullptr) return 1;
  std::fprintf(file,
               R"({"incident_id":"%s","attempt":%s,"exit_code":0,"signal":0,"spawn_errno":0,)"
               R"("log_errno":0,"timed_out":false,"stopped":"none","orphans_killed":0,)"
               R"("contained":true,"started_at_ns":1,"finished_at_ns":2,"duration_ns":1,)"
               R"("stdout_bytes":0,"stdout_dropped_bytes":0,"stderr_bytes":0,)"
               R"("stderr_dropped_bytes":0,"oom":false,"disk_full":false})",
               id.c_str(), attempt.c_str());
  std::fclose(file);
  LeaveDaemon();
  ::kill(::getppid(), SIGKILL);
  SleepOut();
}

int SpoilResult() {
  return ::mkdir("result.json", 0700) == 0 && ::mkdir(".result.json.tmp", 0700) == 0 &&
                 ::chmod(".", 0500) == 0
             ? 0
             : 1;
}

}  // namespace runner::test_agent
