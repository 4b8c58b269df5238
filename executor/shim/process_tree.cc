#include "executor/shim/process_tree.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/shim/children.h"
#include "executor/shim/clocks.h"

namespace runner::executor {
namespace {

// The value in linux/wait.h; glibc defines P_PIDFD only since 2.36.
constexpr auto kPidfdType = static_cast<idtype_t>(3);

void DrainSignals(int sigchld_fd) {
  signalfd_siginfo info[8];
  while (::read(sigchld_fd, info, sizeof info) > 0) {
  }
}

void KillChildAndItsGroup(pid_t child, void*) {
  const pid_t group = ::getpgid(child);
  if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
  ::kill(child, SIGKILL);
}

}  // namespace

void ProcessTree::TerminateGroup() {
  ::kill(-agent_, SIGTERM);
  ::kill(-agent_, SIGCONT);
}

void ProcessTree::KillGroup() {
  killing_ = true;
  ::kill(-agent_, SIGKILL);
}

bool ProcessTree::AgentExited() const {
  siginfo_t info{};
  return ::waitid(kPidfdType, static_cast<id_t>(agent_pidfd_), &info,
                  WEXITED | WNOWAIT | WNOHANG) == 0 &&
         info.si_pid == agent_;
}

void ProcessTree::ReapOrphans() {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return;
    if (info.si_pid == 0 || info.si_pid == agent_) return;
    int status = 0;
    if (::waitpid(info.si_pid, &status, WNOHANG) == info.si_pid) Reaped(info.si_pid, status);
  }
}

void ProcessTree::KillTracers() {
  killing_ = true;
  pid_t agent = agent_;
  ForEachChild(
      [](pid_t child, void* spared) {
        if (child != *static_cast<pid_t*>(spared)) KillChildAndItsGroup(child, nullptr);
      },
      &agent);
}

void ProcessTree::ReapAgent() {
  KillGroup();
  int status = 0;
  while (::waitpid(agent_, &status, 0) < 0 && errno == EINTR) {
  }
  Reaped(agent_, status);
}

bool ProcessTree::Contain(std::int64_t deadline, int sigchld_fd) {
  killing_ = true;
  for (;;) {
    DrainSignals(sigchld_fd);
    int status = 0;
    pid_t reaped;
    while ((reaped = ::waitpid(-1, &status, WNOHANG)) > 0) Reaped(reaped, status);
    if (reaped < 0 && errno == ECHILD) return true;
    if (MonotonicNs() >= deadline) return false;
    ForEachChild(KillChildAndItsGroup, nullptr);
    // The next death wakes it; the time limit covers children that the scan has missed.
    pollfd sigchld{sigchld_fd, POLLIN, 0};
    ::poll(&sigchld, 1, 1);
  }
}

void ProcessTree::Reaped(pid_t child, int wait_status) {
  if (child != agent_) {
    if (killing_ && WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL) {
      ++orphans_killed_;
    }
    return;
  }
  if (WIFEXITED(wait_status)) agent_exit_.exit_code = WEXITSTATUS(wait_status);
  if (WIFSIGNALED(wait_status)) agent_exit_.signal = WTERMSIG(wait_status);
}

}  // namespace runner::executor
