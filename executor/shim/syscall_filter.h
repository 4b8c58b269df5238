#pragma once

#include <cstddef>

#include <linux/filter.h>
#include <sys/types.h>

namespace runner::executor {

// A seccomp(2) filter. With it a process and its descendants cannot act on the executor by its
// process id, or on the shim except by signals. Pending signals of one number coalesce and keep the
// first sender: an agent that sends SIGTERM continuously would hide the operator's SIGTERM from the
// executor.
//
// Signals: to the executor, to its group, and to all processes at once (-1), kill(2), tkill(2),
// tgkill(2), rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2) fail with EPERM. So does every way to have
// the kernel send a signal there: F_SETOWN to the executor or its group, F_SETOWN_EX, FIOSETOWN,
// SIOCSPGRP. pidfd_send_signal(2) fails with ENOSYS, since the filter cannot see the process behind
// a descriptor; programs fall back to kill(2).
//
// The id of any thread of the executor works like its process id, so thread ids are denied as well.
// Not covered: threads that start later, and those beyond kMaxThreads.
//
// Limits: prlimit64(2) that sets a limit fails with EPERM, unless the process id is 0 (the caller).
// setrlimit(2) of programs uses that.
//
// Scheduling: sched_setaffinity(2), sched_setscheduler(2), sched_setparam(2), sched_setattr(2),
// setpriority(2) and ioprio_set(2) fail with EPERM for the executor, the shim and the process
// groups of both. The latter two also fail for all processes of a user.
//
// Supports the 64-bit system calls of x86-64 and arm64 and their 32-bit variants; on other
// architectures it permits everything.
class SyscallFilter {
 public:
  static constexpr std::size_t kMaxThreads = 256;

  // `group`: the process group of the executor. `threads`: `count` ids of its threads, of which
  // kMaxThreads are used.
  SyscallFilter(pid_t executor, pid_t group, pid_t shim, const pid_t* threads, std::size_t count);
  // Filters the calling thread and its future children. Needs PR_SET_NO_NEW_PRIVS. Only system
  // calls. Returns false if the kernel refuses.
  bool Install() const;

 private:
  static constexpr std::size_t kMax = 512 + 2 * kMaxThreads;
  static constexpr std::size_t kMaxJumps = 64;

  struct Calls;  // the system call numbers of one architecture
  void Add(const sock_filter& instruction);
  void AddCalls(const Calls& calls);
  // Begins the instructions for one system call, which last until the End of the returned position;
  // the last of them must return.
  unsigned short Begin(unsigned number);
  void End(unsigned short begin);
  // Returns EPERM if the value loaded last equals `value`.
  void Deny(unsigned value);
  // Returns EPERM if the value loaded last is the executor or one of its threads; otherwise permits
  // the call.
  void DenyExecutor();
  // Adds the instructions that DenyExecutor jumps to.
  void AddExecutor(pid_t executor, const pid_t* threads, std::size_t count);
  void DenySignals(unsigned number);
  void DenyOwner(unsigned number);
  void DenyLimits(unsigned number);
  void DenyScheduling(unsigned number);
  // `user`: the value of the first argument that makes the second one a user.
  void DenyPriority(unsigned number, unsigned user);

  const pid_t group_;
  const pid_t shim_;
  sock_filter code_[kMax] = {};
  unsigned short size_ = 0;
  unsigned short to_executor_[kMaxJumps] = {};  // positions of the jumps of DenyExecutor
  std::size_t jumps_ = 0;
};

}  // namespace runner::executor
