#include "common/loop/loop_probe.h"

#include <optional>

#include "common/base/mutex.h"

namespace runner {

struct LoopProbe::State {
  Mutex mutex;
  std::optional<MonoTime> ping_sent GUARDED_BY(mutex);  // empty: no ping is pending
};

LoopProbe::LoopProbe(EventLoop& event_loop, const Clock& clock, Duration limit)
    : event_loop_(event_loop), clock_(clock), limit_(limit), state_(std::make_shared<State>()) {}

bool LoopProbe::Stuck() {
  const MonoTime now = clock_.Now().mono;
  {
    const MutexLock lock(state_->mutex);
    if (state_->ping_sent) return now - *state_->ping_sent >= limit_;
    state_->ping_sent = now;
  }
  event_loop_.Post([state = state_] {
    const MutexLock lock(state->mutex);
    state->ping_sent.reset();
  });
  return false;
}

}  // namespace runner
