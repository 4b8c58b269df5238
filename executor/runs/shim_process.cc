#include "executor/runs/shim_process.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

// The header of glibc 2.36 does not declare C linkage itself.
extern "C" {
#include <sys/pidfd.h>
}

namespace runner::executor {
namespace {

// Frees the memory that posix_spawn_file_actions_init and posix_spawnattr_init allocate.
class SpawnSetup {
 public:
  explicit SpawnSetup(int control_fd) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    // First, since the other actions overwrite 0 and 1.
    Check(::posix_spawn_file_actions_adddup2(&actions_, control_fd, kShimControlFd));
    Check(::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0));
    Check(::posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0));
    Check(::posix_spawn_file_actions_addclosefrom_np(&actions_, kShimControlFd + 1));
    sigset_t all;
    ::sigfillset(&all);
    Check(::posix_spawnattr_setsigdefault(&attributes_, &all));
    Check(::posix_spawnattr_setsigmask(&attributes_, &all));
    Check(::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID));
  }
  ~SpawnSetup() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  int error() const { return error_; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  void Check(int error) {
    if (error_ == 0) error_ = error;
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  int error_ = 0;
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::variant<ShimProcess, ShimStartError> ShimProcess::Start(
    const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ShimStartError{"socketpair", errno};
  }
  UniqueFd ours(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  const SpawnSetup setup(theirs.Get());
  if (setup.error() != 0) return ShimStartError{"prepare spawn", setup.error()};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, argv[0].c_str(), setup.actions(), setup.attributes(),
                                  Pointers(argv).data(), Pointers(environment).data());
  if (error != 0) return ShimStartError{"spawn runner-shim", error};
  UniqueFd pidfd(::pidfd_open(pid, 0));
  if (!pidfd) {
    ShimStartError failure{"pidfd_open", errno, true};
    // Its agent, if already started, dies with it.
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return failure;
  }
  return ShimProcess(pid, std::move(pidfd), std::move(ours));
}

void ShimProcess::Send(ShimCommand command) const { SendRequest({.command = command}); }

void ShimProcess::ExtendLease(MonoTime lease_deadline) const {
  SendRequest(
      {.command = ShimCommand::kExtendLease, .lease_deadline_ns = ToMonotonicNs(lease_deadline)});
}

void ShimProcess::SendRequest(const ShimRequest& request) const {
  [[maybe_unused]] const auto sent =
      ::send(socket_.Get(), &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::optional<ShimNotice> ShimProcess::Receive() const {
  for (;;) {
    ShimNotice notice;
    const ssize_t got = ::recv(socket_.Get(), &notice, sizeof notice, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    if (got == sizeof notice && notice.magic == kShimMagic) return notice;
  }
}

void ShimProcess::Kill() const { ::pidfd_send_signal(pidfd_.Get(), SIGKILL, nullptr, 0); }

ShimEnd ShimProcess::Reap() const {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.Get()), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid != pid_) {
    return ShimEnd::kNotYet;
  }
  return info.si_code == CLD_EXITED && info.si_status == 0 ? ShimEnd::kClean : ShimEnd::kLost;
}

}  // namespace runner::executor
