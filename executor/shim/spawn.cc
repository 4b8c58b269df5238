#include "executor/shim/spawn.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace runner::executor {
namespace {

constexpr int kOomScoreRaise = 500;
constexpr int kOomScoreMax = 1000;
constexpr std::size_t kStackBytes = 128 * 1024;
constexpr std::size_t kGuardBytes = 64 * 1024;

// Shared with the child, which runs in the same memory until it executes the program.
struct ChildPlan {
  const SpawnRequest& request;
  pid_t shim;
  volatile int error;
};

// The stack of the child; an access beyond its lower end faults.
class ChildStack {
 public:
  ChildStack()
      : memory_(::mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ != MAP_FAILED) ::mprotect(memory_, kGuardBytes, PROT_NONE);
  }
  ~ChildStack() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, kStackBytes + kGuardBytes);
  }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;

  explicit operator bool() const { return memory_ != MAP_FAILED; }
  void* top() const { return static_cast<char*>(memory_) + kStackBytes + kGuardBytes; }

 private:
  void* memory_;
};

// Uses the system call directly: glibc's sigaction(3) rejects the two signals that glibc reserves,
// and its posix_spawn(3), which starts the shim, leaves exactly these ignored.
void ResetSignals() {
  constexpr std::size_t kSignalSetBytes = NSIG / 8;
  // The kernel's struct sigaction, whose size and order depend on the architecture: SIG_DFL is all
  // zero.
  const unsigned long default_action[8] = {};
  for (int signal = 1; signal < NSIG; ++signal) {
    ::syscall(SYS_rt_sigaction, signal, default_action, nullptr, kSignalSetBytes);
  }
}

// Runs between clone and exec. Only system calls: the parent is suspended in the same memory.
bool PrepareChild(const ChildPlan& plan) {
  const SpawnRequest& request = plan.request;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.shim) return false;
  if (::setsid() < 0) return false;
  ResetSignals();
  if (::fchdir(request.workspace_fd) != 0) return false;
  if (::dup2(request.stdin_fd, STDIN_FILENO) < 0 || ::dup2(request.stdout_fd, STDOUT_FILENO) < 0 ||
      ::dup2(request.stderr_fd, STDERR_FILENO) < 0) {
    return false;
  }
  ::umask(077);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // The executor has raised its own limit. Programs that use select(2) fail above 1,024.
  rlimit files{};
  if (request.descriptor_limit != 0 && ::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = std::min<rlim_t>(request.descriptor_limit, files.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  // Missing before Linux 5.9; O_CLOEXEC on every descriptor has the same effect.
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  // If the kernel refuses the filter, the executor still ignores signals of agents.
  request.syscall_filter.Install();
  sigset_t none;
  ::sigemptyset(&none);
  return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
}

int ChildMain(void* argument) {
  ChildPlan& plan = *static_cast<ChildPlan*>(argument);
  if (PrepareChild(plan)) ::execve(plan.request.argv[0], plan.request.argv, plan.request.envp);
  plan.error = errno != 0 ? errno : ECANCELED;
  ::_exit(127);
}

}  // namespace

OomScore::OomScore() : file_(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC)) {
  char text[16] = {};
  if (!file_ || ::read(file_.Get(), text, sizeof text - 1) <= 0) {
    file_.Reset();
    return;
  }
  original_ = std::atoi(text);
}

void OomScore::Raise() { Write(std::min(original_ + kOomScoreRaise, kOomScoreMax)); }

void OomScore::Restore() { Write(original_); }

void OomScore::Write(int score) {
  if (!file_) return;
  char text[16];
  const int length = std::snprintf(text, sizeof text, "%d", score);
  [[maybe_unused]] const auto wrote =
      ::pwrite(file_.Get(), text, static_cast<std::size_t>(length), 0);
}

SpawnedAgent SpawnAgent(const SpawnRequest& request) {
  SpawnedAgent agent;
  const ChildStack stack;
  if (!stack) {
    agent.error = ENOMEM;
    return agent;
  }
  ChildPlan plan{request, ::getpid(), 0};
  int pidfd = -1;
  const pid_t pid = ::clone(ChildMain, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                            &plan, &pidfd);
  if (pid < 0) {
    agent.error = errno;
    return agent;
  }
  agent.pidfd.Reset(pidfd);
  if (plan.error != 0) {
    ::waitpid(pid, nullptr, 0);
    agent.error = plan.error;
    return agent;
  }
  agent.pid = pid;
  return agent;
}

}  // namespace runner::executor
