#include <atomic>
#include <new>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {
namespace {

volatile sig_atomic_t terminated = 0;

constexpr std::size_t kLargestStorm = 2000;

// Each process forks two more while the storm is small, then sleeps.
void Storm(std::atomic<std::size_t>& count, std::size_t most, bool in_sessions_of_their_own) {
  for (int i = 0; i < 2; ++i) {
    if (count.fetch_add(1) >= most) return;
    const pid_t child = ::fork();
    if (child < 0) return;
    if (child > 0) continue;
    ::alarm(kLifetimeSeconds);
    if (in_sessions_of_their_own) ::setsid();
    Storm(count, most, in_sessions_of_their_own);
    SleepOut();
  }
}

}  // namespace

int IgnoreTerm() {
  ::signal(SIGTERM, SIG_IGN);
  Print("ready\n");
  SleepOut();
}

// Exits 0 on SIGTERM.
int ObeyTerm() {
  ::signal(SIGTERM, [](int) { terminated = 1; });
  Print("ready\n");
  ::alarm(kLifetimeSeconds);
  sigset_t none;
  ::sigemptyset(&none);
  while (terminated == 0) ::sleep(1);
  return 0;
}

int StopItself() {
  ::raise(SIGSTOP);
  SleepOut();
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

// A chain of processes: each forks the next in its own session and exits.
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

// Ends while a descendant traces it, so that the descendant is notified of its death first.
int EndTraced() {
  const pid_t self = ::getpid();
  // Permits the tracing where a process may trace only its descendants (Yama).
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

int LeaveStorm(std::size_t processes, bool in_sessions_of_their_own) {
  void* const shared = ::mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  auto& count = *new (shared) std::atomic<std::size_t>(0);
  const std::size_t most = processes < kLargestStorm ? processes : kLargestStorm;
  ::signal(SIGTERM, SIG_IGN);
  Storm(count, most, in_sessions_of_their_own);
  while (count.load() < most) ::usleep(1000);
  return 0;
}

}  // namespace runner::test_agent
