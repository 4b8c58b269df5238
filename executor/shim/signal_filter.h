#pragma once

#include <cstddef>

#include <linux/filter.h>
#include <sys/types.h>

namespace runner::executor {

// A seccomp(2) filter with which neither a process nor what it starts can signal one protected
// process, whatever it tries. Pending signals of one number coalesce and keep the first sender: an
// agent that sends SIGTERM without end would hide the operator's from the executor.
//
// To the protected process, to its group, and to all processes at once (-1), kill(2), tkill(2),
// tgkill(2), rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2) fail with EPERM. So does every way to have
// the kernel send a signal elsewhere: F_SETOWN to the protected process or its group, F_SETOWN_EX,
// FIOSETOWN, SIOCSPGRP. pidfd_send_signal(2) fails with ENOSYS, as a descriptor does not show whose
// it is; programs fall back to kill(2). Not covered: tkill(2) to threads other than the first one.
//
// Made for the 64-bit system calls of x86-64 and arm64 and the 32-bit ones that they permit; on
// other machines it lets everything pass.
class SignalFilter {
 public:
  SignalFilter(pid_t process, pid_t group);
  // Filters the calling thread from now on, and what it starts. Needs PR_SET_NO_NEW_PRIVS. Only
  // system calls. False when the kernel refuses.
  bool Install() const;

 private:
  static constexpr std::size_t kMax = 256;

  struct Calls;  // the numbers of one architecture
  void Add(const sock_filter& instruction);
  void AddCalls(const Calls& calls, pid_t process, pid_t group);
  // The next instructions are for this call alone; the last of them must return.
  void When(unsigned number, unsigned short instructions);
  // EPERM when the argument is one of the values.
  void DenyTargets(unsigned number, int argument, pid_t process, pid_t group);

  sock_filter code_[kMax] = {};
  unsigned short size_ = 0;
};

}  // namespace runner::executor
