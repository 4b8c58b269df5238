#include "common/loop/signals.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace runner {
namespace {

sigset_t Signals(std::initializer_list<int> others) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  for (const int signal : others) sigaddset(&set, signal);
  return set;
}

}  // namespace

void BlockSignals(std::initializer_list<int> others) {
  const sigset_t set = Signals(others);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    throw std::system_error(error, std::generic_category(), "pthread_sigmask");
  }
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  if (::sigaction(SIGPIPE, &ignore, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category(), "sigaction");
  }
}

SignalFd::SignalFd(EventLoop& event_loop, Handler handler, std::initializer_list<int> others)
    : event_loop_(event_loop) {
  const sigset_t set = Signals(others);
  fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw std::system_error(errno, std::generic_category(), "signalfd");
  event_loop_.Watch(fd_.Get(), EPOLLIN,
                    [fd = fd_.Get(), handler = std::move(handler)](std::uint32_t) {
                      signalfd_siginfo info{};
                      if (::read(fd, &info, sizeof info) != sizeof info) return;
                      handler(static_cast<int>(info.ssi_signo), static_cast<pid_t>(info.ssi_pid));
                    });
}

SignalFd::~SignalFd() { event_loop_.Unwatch(fd_.Get()); }

}  // namespace runner
