#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "common/base/clock.h"

namespace runner {

// The clock of one loop, and tasks that are due later. Belongs to the thread of the loop, except
// Post. The simulator implements its own.
class Timers {
 public:
  using Task = std::function<void()>;

  // Runs `task` on the loop, in the order of posting. Any thread.
  virtual void Post(Task task) = 0;
  using TimerId = std::uint64_t;
  static constexpr TimerId kNoTimer = 0;

  // Runs `task` once, not before `at`. Ids are never reused. Cancelling a timer that has fired or
  // was cancelled has no effect.
  virtual TimerId At(MonoTime at, Task task) = 0;
  TimerId After(Duration delay, Task task) { return At(Now().mono + delay, std::move(task)); }
  virtual void Cancel(TimerId id) = 0;
  virtual Instant Now() const = 0;

 protected:
  ~Timers() = default;
};

}  // namespace runner
