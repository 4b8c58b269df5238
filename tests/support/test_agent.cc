// runner-test-agent MODE [ARGUMENT]: an agent that does one thing, most of them wrong. What it has
// to say goes to stdout. Every mode ends by itself after a while, so that a test that fails to kill
// it does not leave it for ever.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr unsigned kLifetimeSeconds = 30;

void SleepOut() {
  ::alarm(kLifetimeSeconds);
  for (;;) ::pause();
}

void Say(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (wrote < 0) ::_exit(99);
    at += static_cast<std::size_t>(wrote);
  }
}

// Runs `child` in a new process and returns when it has said that it is ready by closing the pipe.
void ForkAndAwait(const std::function<void()>& child, bool keep_stdio = false) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) ::_exit(98);
  if (::fork() == 0) {
    ::close(ready[0]);
    if (!keep_stdio) {
      for (int fd = 0; fd < 3; ++fd) ::close(fd);
    }
    ::dup2(ready[1], 3);
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

int PrintDescriptors() {
  DIR* const directory = ::opendir("/proc/self/fd");
  std::string list;
  while (const dirent* entry = ::readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(directory)) list += std::to_string(fd) + " ";
  }
  Say(list);
  return 0;
}

int PrintSignals() {
  std::FILE* const status = std::fopen("/proc/self/status", "r");
  char line[256];
  while (std::fgets(line, sizeof line, status) != nullptr) {
    const std::string text = line;
    if (text.starts_with("SigBlk") || text.starts_with("SigIgn") ||
        text.starts_with("NoNewPrivs")) {
      Say(text);
    }
  }
  return 0;
}

int CopyStdin() {
  char buffer[4096];
  ssize_t got;
  while ((got = ::read(STDIN_FILENO, buffer, sizeof buffer)) > 0) {
    Say(std::string(buffer, static_cast<std::size_t>(got)));
  }
  return got < 0 ? 1 : 0;
}

int IgnoreTerm(bool announce) {
  ::signal(SIGTERM, SIG_IGN);
  if (announce) Say("ready\n");
  SleepOut();
  return 0;
}

volatile sig_atomic_t terminated = 0;

// Exits 0 on SIGTERM.
int ObeyTerm() {
  ::signal(SIGTERM, [](int) { terminated = 1; });
  Say("ready\n");
  ::alarm(kLifetimeSeconds);
  sigset_t none;
  ::sigemptyset(&none);
  while (terminated == 0) ::sleep(1);
  return 0;
}

int LeaveSetsidChild() {
  ForkAndAwait([] {
    ::setsid();
    DeclareReady();
    SleepOut();
  });
  return 0;
}

int LeaveDaemon() {
  ForkAndAwait([] {
    ::setsid();
    if (::fork() > 0) ::_exit(0);
    ::signal(SIGTERM, SIG_IGN);
    DeclareReady();
    SleepOut();
  });
  return 0;
}

int LeaveStdoutHolder() {
  ForkAndAwait(
      [] {
        ::setsid();
        ::signal(SIGTERM, SIG_IGN);
        DeclareReady();
        SleepOut();
      },
      true);
  return 0;
}

// A chain of processes each of which forks the next in a session of its own and exits.
int LeaveHopper() {
  ForkAndAwait([] {
    for (int hop = 0; hop < 200'000; ++hop) {
      const pid_t next = ::fork();
      if (next < 0) ::_exit(0);
      if (next > 0) ::_exit(0);
      ::setsid();
      if (hop == 10) DeclareReady();
    }
  });
  return 0;
}

int LeaveZombies() {
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  }
  return 0;
}

// Leaves a record as a shim would, a process, and no shim.
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
               R"("stderr_dropped_bytes":0})",
               id.c_str(), attempt.c_str());
  std::fclose(file);
  LeaveDaemon();
  ::kill(::getppid(), SIGKILL);
  SleepOut();
  return 0;
}

// Ends while a descendant traces it, so that its death is first of all that descendant's to hear.
int EndTraced() {
  const pid_t self = ::getpid();
  // Where a process may trace only what descends from it (Yama), this is the permission.
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  ForkAndAwait([self] {
    ::setsid();
    ::signal(SIGTERM, SIG_IGN);
    if (::ptrace(PTRACE_SEIZE, self, nullptr, nullptr) != 0) ::_exit(97);
    DeclareReady();
    SleepOut();
  });
  return 0;
}

int SpoilResult() {
  return ::mkdir("result.json", 0700) == 0 && ::mkdir(".result.json.tmp", 0700) == 0 &&
                 ::chmod(".", 0500) == 0
             ? 0
             : 1;
}

int Flood(std::size_t bytes) {
  const std::string chunk(64 * 1024, 'x');
  Say("FIRST\n");
  for (std::size_t written = 0; written < bytes; written += chunk.size()) Say(chunk);
  Say("\nLAST");
  return 0;
}

int WriteReport(std::size_t bytes) {
  const char* const path = std::getenv("RUNNER_REPORT_FILE");
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "w");
  if (file == nullptr) return 1;
  std::fputs(std::string(bytes, 'r').c_str(), file);
  return std::fclose(file) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const std::string argument = argc > 2 ? argv[2] : "0";
  const auto number = static_cast<std::size_t>(std::strtoull(argument.c_str(), nullptr, 10));

  const std::map<std::string, std::function<int()>> modes = {
      {"exit", [&] { return static_cast<int>(number); }},
      {"signal", [&] { return ::raise(static_cast<int>(number)), ::pause(), 0; }},
      {"environment",
       [] {
         for (char** variable = environ; *variable != nullptr; ++variable)
           Say(*variable + std::string("\n"));
         return 0;
       }},
      {"arguments",
       [&] {
         for (int i = 2; i < argc; ++i) Say(std::string(argv[i]) + "\n");
         return 0;
       }},
      {"descriptors", PrintDescriptors},
      {"signals", PrintSignals},
      {"session",
       [] {
         Say(std::to_string(::getsid(0) == ::getpid() && ::getpgrp() == ::getpid()));
         return 0;
       }},
      {"directory",
       [] {
         char path[4096];
         Say(::getcwd(path, sizeof path));
         return 0;
       }},
      {"stdin", CopyStdin},
      {"sleep", [] { return SleepOut(), 0; }},
      {"obey-term", ObeyTerm},
      {"ignore-term", [] { return IgnoreTerm(true); }},
      {"stop-itself", [] { return ::raise(SIGSTOP), SleepOut(), 0; }},
      {"close-stdio",
       [] {
         for (int fd = 0; fd < 3; ++fd) ::close(fd);
         return 7;
       }},
      {"setsid-child", LeaveSetsidChild},
      {"daemon", LeaveDaemon},
      {"stdout-holder", LeaveStdoutHolder},
      {"hopper", LeaveHopper},
      {"zombies", LeaveZombies},
      {"forge-record", ForgeRecord},
      {"end-traced", EndTraced},
      {"spoil-result", SpoilResult},
      {"flood", [&] { return Flood(number); }},
      {"report", [&] { return WriteReport(number); }},
      {"report-fifo",
       [] { return ::mkfifo(std::getenv("RUNNER_REPORT_FILE"), 0600) == 0 ? 0 : 1; }},
      {"kill-shim",
       [] {
         ForkAndAwait([] {
           ::setsid();
           ::signal(SIGTERM, SIG_IGN);
           DeclareReady();
           SleepOut();
         });
         ::kill(::getppid(), SIGKILL);
         SleepOut();
         return 0;
       }},
  };
  const auto found = modes.find(mode);
  if (found == modes.end()) {
    std::fprintf(stderr, "runner-test-agent: no mode \"%s\"\n", mode.c_str());
    return 64;
  }
  return found->second();
}
