#include "executor/shim/signal_filter.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runner::executor {
namespace {

constexpr unsigned kNumber = offsetof(seccomp_data, nr);
constexpr unsigned kArchitecture = offsetof(seccomp_data, arch);
constexpr unsigned kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr unsigned kMissing = SECCOMP_RET_ERRNO | ENOSYS;
constexpr unsigned kX32 = 0x40000000;  // in the numbers of that interface
// Where an argument has its lower half: the kernel reads a pid_t and a command as 32 bits.
constexpr unsigned Argument(int n) {
  return offsetof(seccomp_data, args) + static_cast<unsigned>(n) * sizeof(std::uint64_t);
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

// 0: there is no such call.
struct SignalFilter::Calls {
  unsigned kill, tkill, tgkill, queue, queue_thread, pidfd_send, fcntl, fcntl64, ioctl;
};

SignalFilter::SignalFilter(pid_t process, pid_t group) {
  group = group > 1 ? group : 1;  // of none, or none that is seen from here: only -1
#if defined(__x86_64__) || defined(__aarch64__)
  constexpr Calls kNative = {SYS_kill,
                             SYS_tkill,
                             SYS_tgkill,
                             SYS_rt_sigqueueinfo,
                             SYS_rt_tgsigqueueinfo,
                             SYS_pidfd_send_signal,
                             SYS_fcntl,
                             0,
                             SYS_ioctl};
#if defined(__x86_64__)
  constexpr unsigned kNativeArchitecture = AUDIT_ARCH_X86_64;
  constexpr unsigned kCompatArchitecture = AUDIT_ARCH_I386;
  constexpr Calls kCompat = {37, 238, 270, 178, 335, 424, 55, 221, 54};
#else
  constexpr unsigned kNativeArchitecture = AUDIT_ARCH_AARCH64;
  constexpr unsigned kCompatArchitecture = AUDIT_ARCH_ARM;
  constexpr Calls kCompat = {37, 238, 268, 178, 363, 424, 55, 221, 54};
#endif
  Add(Load(kArchitecture));
  Add(SkipUnless(kCompatArchitecture, 0));
  const unsigned short to_native = static_cast<unsigned short>(size_ - 1);
  AddCalls(kCompat, process, group);
  code_[to_native].jf = static_cast<std::uint8_t>(size_ - to_native - 1);
  Add(SkipIf(kNativeArchitecture, 1));
  Add(Return(SECCOMP_RET_ALLOW));
#if defined(__x86_64__)
  Add(Load(kNumber));
  Add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kX32, 0, 1));
  Add(Return(kMissing));
#endif
  AddCalls(kNative, process, group);
#else
  static_cast<void>(process);
  Add(Return(SECCOMP_RET_ALLOW));
#endif
}

void SignalFilter::Add(const sock_filter& instruction) {
  if (size_ == kMax) std::abort();  // a defect of the lines above
  code_[size_++] = instruction;
}

void SignalFilter::AddCalls(const Calls& calls, pid_t process, pid_t group) {
  Add(Load(kNumber));
  for (const unsigned number :
       {calls.kill, calls.tkill, calls.tgkill, calls.queue, calls.queue_thread}) {
    DenyTargets(number, 0, process, group);
  }
  When(calls.pidfd_send, 1);
  Add(Return(kMissing));
  for (const unsigned number : {calls.fcntl, calls.fcntl64}) {
    if (number == 0) continue;
    When(number, 9);
    Add(Load(Argument(1)));
    Add(SkipUnless(F_SETOWN_EX, 1));
    Add(Return(kDeny));
    Add(SkipUnless(F_SETOWN, 3));
    Add(Load(Argument(2)));
    Add(SkipIf(static_cast<unsigned>(process), 2));
    Add(SkipIf(static_cast<unsigned>(-group), 1));
    Add(Return(SECCOMP_RET_ALLOW));
    Add(Return(kDeny));
  }
  When(calls.ioctl, 5);
  Add(Load(Argument(1)));
  Add(SkipIf(FIOSETOWN, 2));
  Add(SkipIf(SIOCSPGRP, 1));
  Add(Return(SECCOMP_RET_ALLOW));
  Add(Return(kDeny));
  Add(Return(SECCOMP_RET_ALLOW));
}

void SignalFilter::When(unsigned number, unsigned short instructions) {
  Add(SkipUnless(number, static_cast<std::uint8_t>(instructions)));
}

void SignalFilter::DenyTargets(unsigned number, int argument, pid_t process, pid_t group) {
  When(number, 6);
  Add(Load(Argument(argument)));
  Add(SkipIf(static_cast<unsigned>(process), 3));
  Add(SkipIf(static_cast<unsigned>(-group), 2));
  Add(SkipIf(static_cast<unsigned>(-1), 1));
  Add(Return(SECCOMP_RET_ALLOW));
  Add(Return(kDeny));
}

bool SignalFilter::Install() const {
  const sock_fprog program{size_, const_cast<sock_filter*>(code_)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &program) == 0;
}

}  // namespace runner::executor
