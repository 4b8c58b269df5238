#pragma once

#include <chrono>
#include <memory>

#include "common/base/clock.h"
#include "common/loop/event_loop.h"

namespace runner {

// Tells whether an event loop still serves its inbox. Every look posts a ping, unless one is still
// unanswered. Thread-safe. The inbox and the clock outlive it.
class LoopProbe {
 public:
  LoopProbe(EventLoop& event_loop, const Clock& clock, Duration limit = std::chrono::seconds(10));

  // Whether a ping has been unanswered for the limit or longer. Never waits.
  bool Stuck();

 private:
  struct State;

  EventLoop& event_loop_;
  const Clock& clock_;
  const Duration limit_;
  std::shared_ptr<State> state_;  // shared with the ping on its way
};

}  // namespace runner
