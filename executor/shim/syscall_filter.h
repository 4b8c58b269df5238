#pragma once

#include <cstddef>

#include <linux/filter.h>
#include <sys/types.h>

namespace runner::executor {

// A seccomp(2) filter with which neither a process nor what it starts can act on the executor by
// its process id, or on the shim other than by signals. Pending signals of one number coalesce and
// keep the first sender: an agent that sends SIGTERM without end would hide the operator's from the
// executor.
//
// Signals: to the executor, to its group, and to all processes at once (-1), kill(2), tkill(2),
// tgkill(2), rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2) fail with EPERM. So does every way to have
// the kernel send a signal elsewhere: F_SETOWN to the executor or its group, F_SETOWN_EX,
// FIOSETOWN, SIOCSPGRP. pidfd_send_signal(2) fails with ENOSYS, as a descriptor does not show whose
// it is; programs fall back to kill(2).
//
// The id of any thread of the executor works like its process id, so those are denied as well. Not
// covered: threads that begin later, or that are beyond kMaxThreads.
//
// Limits: prlimit64(2) that sets a limit fails with EPERM, unless the process id is 0 (itself).
// Programs use that in setrlimit(2).
//
// Scheduling: sched_setaffinity(2), sched_setscheduler(2), sched_setparam(2), sched_setattr(2),
// setpriority(2) and ioprio_set(2) fail with EPERM for the executor, the shim and the group of
// either. So do the latter two for all processes of a user.
//
// Made for the 64-bit system calls of x86-64 and arm64 and the 32-bit ones that they permit; on
// other machines it lets everything pass.
class SyscallFilter {
 public:
  static constexpr std::size_t kMaxThreads = 256;

  // `group`: of the executor. `threads`: `count` ids of its threads, of which kMaxThreads are used.
  SyscallFilter(pid_t executor, pid_t group, pid_t shim, const pid_t* threads, std::size_t count);
  // Filters the calling thread from now on, and what it starts. Needs PR_SET_NO_NEW_PRIVS. Only
  // system calls. False when the kernel refuses.
  bool Install() const;

 private:
  static constexpr std::size_t kMax = 512 + 2 * kMaxThreads;
  static constexpr std::size_t kMaxJumps = 64;

  struct Calls;  // the numbers of one architecture
  void Add(const sock_filter& instruction);
  void AddCalls(const Calls& calls);
  // The instructions until the End of the returned position are for this call alone; the last of
  // them must return.
  unsigned short Begin(unsigned number);
  void End(unsigned short begin);
  // EPERM when what was loaded last is the value.
  void Deny(unsigned value);
  // EPERM when what was loaded last is the executor or a thread of it, else the call is allowed.
  void DenyExecutor();
  // What DenyExecutor jumps to.
  void AddExecutor(pid_t executor, const pid_t* threads, std::size_t count);
  void DenySignals(unsigned number);
  void DenyOwner(unsigned number);
  void DenyLimits(unsigned number);
  void DenyScheduling(unsigned number);
  // `user`: the first argument that makes the second one a user.
  void DenyPriority(unsigned number, unsigned user);

  const pid_t group_;
  const pid_t shim_;
  sock_filter code_[kMax] = {};
  unsigned short size_ = 0;
  unsigned short to_executor_[kMaxJumps] = {};  // where those jumps are
  std::size_t jumps_ = 0;
};

}  // namespace runner::executor
