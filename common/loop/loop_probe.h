#pragma once

#include <chrono>
#include <memory>

#include "common/base/clock.h"
#include "common/loop/event_loop.h"

namespace runner {

// Detects an event loop that no longer serves its tasks. Every call posts a ping, unless one is
// pending. Thread-safe. The loop and the clock must outlive it.
class LoopProbe {
 public:
  LoopProbe(EventLoop& event_loop, const Clock& clock, Duration limit = std::chrono::seconds(10));

  // True if a ping has been pending for the limit or longer. Never blocks.
  bool Stuck();

 private:
  struct State;

  EventLoop& event_loop_;
  const Clock& clock_;
  const Duration limit_;
  std::shared_ptr<State> state_;  // shared with the pending ping
};

}  // namespace runner
