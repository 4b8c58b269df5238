#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "common/base/clock.h"

namespace runner::sim {

// The start of every history, far enough from zero for every subtraction.
inline constexpr Instant kBeginning{MonoTime(std::chrono::hours(1)),
                                    WallTime(std::chrono::hours(500'000))};

// The planned events in the order of (time, sequence), and the clock that jumps from one event to
// the next. Wall time advances with monotonic time and can be shifted.
class EventQueue {
 public:
  using Action = std::function<void()>;
  using Id = std::pair<MonoTime, std::uint64_t>;

  // `owner` identifies the actor of the event; see DropAllOf.
  Id At(const void* owner, MonoTime time, Action action) {
    const Id id{std::max(time, now_.mono), ++last_};
    events_.emplace(id, Event{owner, std::move(action)});
    return id;
  }
  Id After(const void* owner, Duration delay, Action action) {
    return At(owner, now_.mono + delay, std::move(action));
  }
  void Cancel(const Id& id) { events_.erase(id); }
  void DropAllOf(const void* owner) {
    std::erase_if(events_, [owner](const auto& entry) { return entry.second.owner == owner; });
  }

  bool empty() const { return events_.empty(); }
  MonoTime NextTime() const { return events_.begin()->first.first; }
  // Advances the clock to the next event and runs it.
  void RunNext() {
    auto node = events_.extract(events_.begin());
    const Duration passed = node.key().first - now_.mono;
    now_.mono += passed;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(passed);
    node.mapped().action();
  }

  const Instant& Now() const { return now_; }
  void JumpWallClock(Duration by) {
    now_.wall += std::chrono::duration_cast<WallTime::duration>(by);
  }

 private:
  struct Event {
    const void* owner;
    Action action;
  };

  Instant now_ = kBeginning;
  std::map<Id, Event> events_;
  std::uint64_t last_ = 0;
};

}  // namespace runner::sim
