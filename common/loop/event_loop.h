#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/unique_fd.h"
#include "common/loop/timers.h"

namespace runner {

// An event loop: posted work, timers and file descriptors, all served by the one thread that calls
// Run(). What belongs to that thread needs no lock.
//
// Threads: Post, Stop and Full may be called from any thread, also before Run and after it
// returned. Everything else belongs to the loop thread (or to the constructing thread before Run).
// Work posted after the loop ended is destroyed unrun with the EventLoop.
//
// The capacity is a soft bound for sheddable input: producers that can wait ask Full() before they
// post and stop reading while it says so; the callback of OnRoom tells them when to go on. Control
// messages are posted regardless: their number is bounded by the protocols that produce them.
class EventLoop final : public Timers {
 public:
  using FdHandler = std::function<void(std::uint32_t epoll_events)>;

  // Throws std::system_error when epoll or eventfd cannot be had.
  explicit EventLoop(const Clock& clock, std::size_t capacity = 4096);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Post(Task task) override;
  bool Full() const { return pending_.load(std::memory_order_relaxed) >= capacity_; }
  // `room` runs on the loop thread, once each time the inbox was full and has emptied.
  // Set before Run.
  void OnRoom(Task room) { on_room_ = std::move(room); }

  // Runs until Stop. Tasks run in the order of posting; a task may post, arm and watch.
  void Run();
  void Stop();

  TimerId At(MonoTime at, Task task) override;
  void Cancel(TimerId id) override;
  Instant Now() const override { return clock_.Now(); }

  // Calls `handler` whenever epoll reports `events` (EPOLLIN ...) for `fd`; level-triggered.
  // Watching a watched fd replaces events and handler. The caller keeps the ownership of the fd and
  // unwatches it before closing it. Throws std::system_error when the kernel refuses.
  void Watch(int fd, std::uint32_t events, FdHandler handler);
  void Unwatch(int fd);

 private:
  void RunPosted();
  void RunDueTimers();
  void WaitForEvents();
  int WaitMilliseconds() const;

  const Clock& clock_;
  const std::size_t capacity_;
  UniqueFd epoll_;
  UniqueFd wakeup_;
  Task on_room_;

  Mutex mutex_;
  std::deque<Task> posted_ GUARDED_BY(mutex_);
  std::atomic<std::size_t> pending_{0};
  std::atomic<bool> was_full_{false};
  std::atomic<bool> stop_{false};

  std::map<std::pair<MonoTime, TimerId>, Task> timers_;
  std::unordered_map<TimerId, MonoTime> timer_times_;
  TimerId next_timer_ = 1;
  // A handler may unwatch any fd while a batch of epoll events is being served: shared ownership
  // keeps the running handler alive, the map decides whether a later event is still wanted.
  std::unordered_map<int, std::shared_ptr<FdHandler>> watches_;
};

}  // namespace runner
