#include "executor/shim/syscall_filter.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runner::executor {
namespace {

constexpr unsigned kNumber = offsetof(seccomp_data, nr);
constexpr unsigned kArchitecture = offsetof(seccomp_data, arch);
constexpr unsigned kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr unsigned kMissing = SECCOMP_RET_ERRNO | ENOSYS;
constexpr unsigned kX32 = 0x40000000;  // bit of the system call numbers of that ABI
// The offset of the lower half of an argument: the kernel reads a pid_t and a command as 32 bits.
constexpr unsigned Argument(unsigned n) {
  return static_cast<unsigned>(offsetof(seccomp_data, args) + n * sizeof(std::uint64_t));
}

constexpr sock_filter Load(unsigned offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
constexpr sock_filter Return(unsigned value) { return BPF_STMT(BPF_RET | BPF_K, value); }
constexpr sock_filter SkipUnless(unsigned value, std::uint8_t instructions) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, instructions);
}
constexpr sock_filter SkipIf(unsigned value, std::uint8_t instructions) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, instructions, 0);
}

}  // namespace

// 0: the architecture lacks this call.
struct SyscallFilter::Calls {
  unsigned kill, tkill, tgkill, queue, queue_thread, pidfd_send, fcntl, fcntl64, ioctl;
  unsigned prlimit, set_affinity, set_scheduler, set_param, set_attr, set_priority, set_io_priority;
};

// If the executor's group is unknown or not visible from here, only -1 (all processes) is denied.
SyscallFilter::SyscallFilter(pid_t executor, pid_t group, pid_t shim, const pid_t* threads,
                             std::size_t count)
    : group_(group > 1 ? group : 1), shim_(shim) {
#if defined(__x86_64__) || defined(__aarch64__)
  constexpr Calls kNative = {SYS_kill,
                             SYS_tkill,
                             SYS_tgkill,
                             SYS_rt_sigqueueinfo,
                             SYS_rt_tgsigqueueinfo,
                             SYS_pidfd_send_signal,
                             SYS_fcntl,
                             0,
                             SYS_ioctl,
                             SYS_prlimit64,
                             SYS_sched_setaffinity,
                             SYS_sched_setscheduler,
                             SYS_sched_setparam,
                             SYS_sched_setattr,
                             SYS_setpriority,
                             SYS_ioprio_set};
#if defined(__x86_64__)
  constexpr unsigned kNativeArchitecture = AUDIT_ARCH_X86_64;
  constexpr unsigned kCompatArchitecture = AUDIT_ARCH_I386;
  constexpr Calls kCompat = {37, 238, 270, 178, 335, 424, 55, 221,
                             54, 340, 241, 156, 154, 351, 97, 289};
#else
  constexpr unsigned kNativeArchitecture = AUDIT_ARCH_AARCH64;
  constexpr unsigned kCompatArchitecture = AUDIT_ARCH_ARM;
  constexpr Calls kCompat = {37, 238, 268, 178, 363, 424, 55, 221,
                             54, 369, 241, 156, 154, 380, 97, 314};
#endif
  Add(Load(kArchitecture));
  const unsigned short compat = Begin(kCompatArchitecture);
  AddCalls(kCompat);
  End(compat);
  Add(SkipIf(kNativeArchitecture, 1));
  Add(Return(SECCOMP_RET_ALLOW));
#if defined(__x86_64__)
  Add(Load(kNumber));
  Add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kX32, 0, 1));
  Add(Return(kMissing));
#endif
  AddCalls(kNative);
  AddExecutor(executor, threads, std::min(count, kMaxThreads));
#else
  static_cast<void>(executor);
  static_cast<void>(threads);
  static_cast<void>(count);
  Add(Return(SECCOMP_RET_ALLOW));
#endif
}

void SyscallFilter::Add(const sock_filter& instruction) {
  if (size_ == kMax) std::abort();  // a bug in the constructor
  code_[size_++] = instruction;
}

void SyscallFilter::AddCalls(const Calls& calls) {
  Add(Load(kNumber));
  for (const unsigned number :
       {calls.kill, calls.tkill, calls.tgkill, calls.queue, calls.queue_thread}) {
    DenySignals(number);
  }
  const unsigned short pidfd_send = Begin(calls.pidfd_send);
  Add(Return(kMissing));
  End(pidfd_send);
  DenyOwner(calls.fcntl);
  if (calls.fcntl64 != 0) DenyOwner(calls.fcntl64);
  const unsigned short ioctl = Begin(calls.ioctl);
  Add(Load(Argument(1)));
  Deny(FIOSETOWN);
  Deny(SIOCSPGRP);
  Add(Return(SECCOMP_RET_ALLOW));
  End(ioctl);
  DenyLimits(calls.prlimit);
  for (const unsigned number :
       {calls.set_affinity, calls.set_scheduler, calls.set_param, calls.set_attr}) {
    DenyScheduling(number);
  }
  DenyPriority(calls.set_priority, PRIO_USER);
  DenyPriority(calls.set_io_priority, IOPRIO_WHO_USER);
  Add(Return(SECCOMP_RET_ALLOW));
}

// A 32-bit jump, since other jumps reach only 255 instructions.
unsigned short SyscallFilter::Begin(unsigned number) {
  Add(SkipIf(number, 1));
  Add(BPF_STMT(BPF_JMP | BPF_JA, 0));
  return size_;
}

void SyscallFilter::End(unsigned short begin) {
  code_[begin - 1].k = static_cast<unsigned>(size_ - begin);
}

void SyscallFilter::Deny(unsigned value) {
  Add(SkipUnless(value, 1));
  Add(Return(kDeny));
}

void SyscallFilter::DenyExecutor() {
  if (jumps_ == kMaxJumps) std::abort();
  to_executor_[jumps_++] = size_;
  Add(BPF_STMT(BPF_JMP | BPF_JA, 0));
}

void SyscallFilter::AddExecutor(pid_t executor, const pid_t* threads, std::size_t count) {
  for (std::size_t i = 0; i < jumps_; ++i) {
    code_[to_executor_[i]].k = static_cast<unsigned>(size_ - to_executor_[i] - 1);
  }
  Deny(static_cast<unsigned>(executor));
  for (std::size_t i = 0; i < count; ++i) Deny(static_cast<unsigned>(threads[i]));
  Add(Return(SECCOMP_RET_ALLOW));
}

void SyscallFilter::DenySignals(unsigned number) {
  const unsigned short begin = Begin(number);
  Add(Load(Argument(0)));
  Deny(static_cast<unsigned>(-1));
  Deny(static_cast<unsigned>(-group_));
  DenyExecutor();
  End(begin);
}

void SyscallFilter::DenyOwner(unsigned number) {
  const unsigned short begin = Begin(number);
  Add(Load(Argument(1)));
  Deny(F_SETOWN_EX);
  Add(SkipIf(F_SETOWN, 1));
  Add(Return(SECCOMP_RET_ALLOW));
  Add(Load(Argument(2)));
  Deny(static_cast<unsigned>(-group_));
  DenyExecutor();
  End(begin);
}

// The new limit is a pointer: null if both halves are 0.
void SyscallFilter::DenyLimits(unsigned number) {
  const unsigned short begin = Begin(number);
  Add(Load(Argument(0)));
  Add(SkipIf(0, 4));
  Add(Load(Argument(2)));
  Add(SkipUnless(0, 3));
  Add(Load(Argument(2) + sizeof(unsigned)));
  Add(SkipUnless(0, 1));
  Add(Return(SECCOMP_RET_ALLOW));
  Add(Return(kDeny));
  End(begin);
}

void SyscallFilter::DenyScheduling(unsigned number) {
  const unsigned short begin = Begin(number);
  Add(Load(Argument(0)));
  Deny(static_cast<unsigned>(shim_));
  DenyExecutor();
  End(begin);
}

// The shim leads its process group.
void SyscallFilter::DenyPriority(unsigned number, unsigned user) {
  const unsigned short begin = Begin(number);
  Add(Load(Argument(0)));
  Deny(user);
  Add(Load(Argument(1)));
  Deny(static_cast<unsigned>(group_));
  Deny(static_cast<unsigned>(shim_));
  DenyExecutor();
  End(begin);
}

bool SyscallFilter::Install() const {
  const sock_fprog program{size_, const_cast<sock_filter*>(code_)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &program) == 0;
}

}  // namespace runner::executor
