#pragma once

#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "common/loop/timers.h"
#include "tests/sim/environment.h"

namespace runner::sim {

// The loop of one process on simulated time. Its messages and timers run in order, and not while
// the process is frozen (SIGSTOP). The destructor drops all of them.
class ProcessTimers final : public Timers {
 public:
  // `at_once` is called when a hundred timers in sequence were due at the same time.
  explicit ProcessTimers(Environment& env, std::function<void()> at_once = nullptr)
      : env_(env), at_once_(std::move(at_once)) {}
  ~ProcessTimers() { env_.events.DropAllOf(this); }
  ProcessTimers(const ProcessTimers&) = delete;
  ProcessTimers& operator=(const ProcessTimers&) = delete;

  void Post(Task task) override { RunOrDefer(std::move(task)); }
  TimerId At(MonoTime at, Task task) override {
    const TimerId id = ++last_;
    const EventQueue::Id event =
        env_.events.At(this, at, [this, id] { RunOrDefer([this, id] { Fire(id); }); });
    timers_.emplace(id, Timer{event, std::move(task)});
    return id;
  }
  void Cancel(TimerId id) override {
    const auto found = timers_.find(id);
    if (found == timers_.end()) return;
    env_.events.Cancel(found->second.event);
    timers_.erase(found);
  }
  Instant Now() const override { return env_.events.Now(); }

  // Runs `action` now, or when the process is no longer frozen. It may destroy the process.
  void RunOrDefer(Task action) {
    if (!frozen_) return action();
    deferred_.push_back(std::move(action));
  }
  bool frozen() const { return frozen_; }
  void Freeze(Duration time, std::function<void()> thawed) {
    if (std::exchange(frozen_, true)) return;
    thaw_ = env_.events.After(this, time, [this] { Thaw(); });
    thawed_ = std::move(thawed);
  }
  void Thaw() {
    if (!std::exchange(frozen_, false)) return;
    env_.events.Cancel(thaw_);
    if (thawed_) thawed_();
    for (; !deferred_.empty(); deferred_.pop_front()) deferred_.front()();
  }

 private:
  struct Timer {
    EventQueue::Id event;
    Task task;
  };

  // An earlier deferred action may have cancelled it.
  void Fire(TimerId id) {
    auto timer = timers_.extract(id);
    if (timer.empty()) return;
    fired_ = env_.Now() == last_fired_ ? fired_ + 1 : 0;
    last_fired_ = env_.Now();
    if (fired_ == 100 && at_once_) at_once_();
    timer.mapped().task();
  }

  Environment& env_;
  const std::function<void()> at_once_;
  MonoTime last_fired_;
  int fired_ = 0;
  std::map<TimerId, Timer> timers_;
  TimerId last_ = kNoTimer;
  bool frozen_ = false;
  EventQueue::Id thaw_;
  std::function<void()> thawed_;
  std::deque<Task> deferred_;
};

}  // namespace runner::sim
