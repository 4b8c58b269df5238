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

// An event loop: the thread that calls Run() serves posted tasks, timers and file descriptors.
// State that belongs to this thread needs no lock.
//
// Threads: Post, Stop and Full may be called from any thread, also before Run and after it
// returned. Everything else belongs to the loop thread (or to the constructing thread before Run).
// Tasks posted after the loop ended are destroyed unrun with the EventLoop.
//
// The capacity is a soft bound for input that can be delayed or dropped. Producers that can wait
// check Full() before they post and stop reading while it is true; they continue when the OnRoom
// callback runs. Control messages are posted regardless: the protocols that produce them bound
// their number.
class EventLoop final : public Timers {
 public:
  using FdHandler = std::function<void(std::uint32_t epoll_events)>;

  // Throws std::system_error if epoll or eventfd is not available.
  explicit EventLoop(const Clock& clock, std::size_t capacity = 4096);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Post(Task task) override;
  bool Full() const { return pending_.load(std::memory_order_relaxed) >= capacity_; }
  // `room` runs on the loop thread, once each time the queue of tasks was full and has emptied. Set
  // before Run.
  void OnRoom(Task room) { on_room_ = std::move(room); }

  // Runs until Stop. Tasks run in the order of posting; a task may post tasks, arm timers and watch
  // descriptors.
  void Run();
  void Stop();

  TimerId At(MonoTime at, Task task) override;
  void Cancel(TimerId id) override;
  Instant Now() const override { return clock_.Now(); }

  // Calls `handler` whenever epoll reports `events` (EPOLLIN ...) for `fd`; level-triggered. For a
  // watched fd, replaces events and handler. The caller owns the fd and must unwatch it before
  // closing it. Throws std::system_error if the kernel refuses.
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
  // A handler may unwatch any fd while a batch of epoll events is processed. Shared ownership keeps
  // the running handler alive; the map decides whether a later event of the batch is still
  // delivered.
  std::unordered_map<int, std::shared_ptr<FdHandler>> watches_;
};

}  // namespace runner
