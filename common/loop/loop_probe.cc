#include "common/loop/loop_probe.h"

#include <optional>

#include "common/base/mutex.h"

namespace runner {

struct LoopProbe::State {
  Mutex mutex;
  std::optional<MonoTime> asked GUARDED_BY(mutex);  // empty: no ping is pending
};

LoopProbe::LoopProbe(EventLoop& event_loop, const Clock& clock, Duration limit)
    : event_loop_(event_loop), clock_(clock), limit_(limit), state_(std::make_shared<State>()) {}

bool LoopProbe::Stuck() {
  const MonoTime now = clock_.Now().mono;
  {
    const MutexLock lock(state_->mutex);
    if (state_->asked) return now - *state_->asked >= limit_;
    state_->asked = now;
  }
  event_loop_.Post([state = state_] {
    const MutexLock lock(state->mutex);
    state->asked.reset();
  });
  return false;
}

}  // namespace runner
