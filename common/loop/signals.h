#pragma once

#include <functional>
#include <initializer_list>

#include <sys/types.h>

#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"

namespace runner {

// Blocks SIGTERM, SIGINT and the `others` in the calling thread and ignores SIGPIPE in the process.
// Threads started later inherit the mask, so call it first in main. Child processes inherit both:
// code that starts one must restore the dispositions and the mask. Throws std::system_error.
void BlockSignals(std::initializer_list<int> others = {});

// Delivers SIGTERM, SIGINT and the `others`, which must be blocked, to a handler on the loop's
// thread (see signalfd(2)). Repeated signals that are pending at the same time are delivered once.
// Must be constructed and destroyed on the loop's thread, or while the loop does not run.
class SignalFd {
 public:
  // `sender` is the process that sent it; 0 for the kernel and for a process outside this PID
  // namespace.
  using Handler = std::function<void(int signal, pid_t sender)>;

  // `event_loop` must outlive this. Throws std::system_error.
  SignalFd(EventLoop& event_loop, Handler handler, std::initializer_list<int> others = {});
  ~SignalFd();
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;

 private:
  EventLoop& event_loop_;
  UniqueFd fd_;
};

}  // namespace runner
