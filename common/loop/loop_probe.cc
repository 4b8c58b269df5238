#include "common/loop/loop_probe.h"

#include <optional>

#include "common/base/mutex.h"

namespace runner {

struct LoopProbe::State {
  Mutex mutex;
  std::optional<MonoTime> asked GUARDED_BY(mutex);  // empty: no ping is on its way
};

LoopProbe::LoopProbe(Inbox& inbox, const Clock& clock, Duration limit)
    : inbox_(inbox), clock_(clock), limit_(limit), state_(std::make_shared<State>()) {}

bool LoopProbe::Stuck() {
  const MonoTime now = clock_.Now().mono;
  {
    const MutexLock lock(state_->mutex);
    if (state_->asked) return now - *state_->asked >= limit_;
    state_->asked = now;
  }
  inbox_.Post([state = state_] {
    const MutexLock lock(state->mutex);
    state->asked.reset();
  });
  return false;
}

}  // namespace runner
