#pragma once

#include <functional>
#include <initializer_list>

#include <sys/types.h>

#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"

namespace runner {

// Blocks SIGTERM, SIGINT and the `others` in the calling thread and ignores SIGPIPE in the process.
// Threads started later inherit the mask, so call it first in main. Child processes inherit both
// too: who starts one restores the dispositions and the mask. Throws std::system_error.
void BlockSignals(std::initializer_list<int> others = {});

// Delivers SIGTERM, SIGINT and the `others`, which must be blocked, to a handler on the loop's
// thread (see signalfd(2)). Repeats that arrive before the loop has looked are delivered once.
// Constructed and destroyed on the loop's thread or while it does not run.
class SignalFd {
 public:
  // `sender` is the process that sent it; 0 for one outside this PID namespace and for the kernel.
  using Handler = std::function<void(int signal, pid_t sender)>;

  // `inbox` outlives this. Throws std::system_error.
  SignalFd(EventLoop& event_loop, Handler handler, std::initializer_list<int> others = {});
  ~SignalFd();
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;

 private:
  EventLoop& event_loop_;
  UniqueFd fd_;
};

}  // namespace runner
