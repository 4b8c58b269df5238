#include "common/loop/event_loop.h"

#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace runner {
namespace {

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

EventLoop::EventLoop(const Clock& clock, std::size_t capacity)
    : clock_(clock),
      capacity_(capacity),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_) ThrowErrno("epoll_create1");
  if (!wakeup_) ThrowErrno("eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wakeup_.Get();
  if (::epoll_ctl(epoll_.Get(), EPOLL_CTL_ADD, wakeup_.Get(), &event) != 0) ThrowErrno("epoll_ctl");
}

EventLoop::~EventLoop() = default;

void EventLoop::Post(Task task) {
  bool was_empty;
  {
    const MutexLock lock(mutex_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
    if (pending_.fetch_add(1, std::memory_order_relaxed) + 1 >= capacity_) {
      was_full_.store(true, std::memory_order_relaxed);
    }
  }
  if (was_empty) {
    const std::uint64_t one = 1;
    // EAGAIN (the counter is full) means that a wake-up is already pending.
    [[maybe_unused]] const auto written = ::write(wakeup_.Get(), &one, sizeof one);
  }
}

void EventLoop::Run() {
  while (!stop_.load(std::memory_order_acquire)) {
    RunPosted();
    RunDueTimers();
    if (!stop_.load(std::memory_order_acquire)) WaitForEvents();
  }
}

void EventLoop::Stop() {
  stop_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wakeup_.Get(), &one, sizeof one);
}

EventLoop::TimerId EventLoop::At(MonoTime at, Task task) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::pair{at, id}, std::move(task));
  timer_times_.emplace(id, at);
  return id;
}

void EventLoop::Cancel(TimerId id) {
  const auto found = timer_times_.find(id);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, id});
  timer_times_.erase(found);
}

void EventLoop::Watch(int fd, std::uint32_t events, FdHandler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  // The kernel forgets a closed descriptor, and its number may be reused. The result of
  // epoll_ctl(2) decides, not the own table.
  if (::epoll_ctl(epoll_.Get(), EPOLL_CTL_MOD, fd, &event) != 0 &&
      (errno != ENOENT || ::epoll_ctl(epoll_.Get(), EPOLL_CTL_ADD, fd, &event) != 0)) {
    ThrowErrno("epoll_ctl");
  }
  watches_[fd] = std::make_shared<FdHandler>(std::move(handler));
}

void EventLoop::Unwatch(int fd) {
  if (watches_.erase(fd) == 0) return;
  ::epoll_ctl(epoll_.Get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::RunPosted() {
  // Only the tasks posted so far: a task that posts another must not starve timers and descriptors.
  std::deque<Task> batch;
  {
    const MutexLock lock(mutex_);
    batch.swap(posted_);
  }
  while (!batch.empty() && !stop_.load(std::memory_order_acquire)) {
    Task task = std::move(batch.front());
    batch.pop_front();
    pending_.fetch_sub(1, std::memory_order_relaxed);
    task();
  }
  if (!batch.empty()) {  // stopped: the remaining tasks stay posted, in order
    const MutexLock lock(mutex_);
    posted_.insert(posted_.begin(), std::make_move_iterator(batch.begin()),
                   std::make_move_iterator(batch.end()));
  }
  if (!Full() && was_full_.exchange(false, std::memory_order_relaxed) && on_room_) on_room_();
}

void EventLoop::RunDueTimers() {
  const MonoTime now = clock_.Now().mono;
  // A timer that a timer arms waits for the next turn even if it is due: time is constant within a
  // turn.
  const TimerId limit = next_timer_;
  for (auto it = timers_.begin(); it != timers_.end() && it->first.first <= now;) {
    if (it->first.second >= limit) {
      ++it;
      continue;
    }
    Task task = std::move(it->second);
    timer_times_.erase(it->first.second);
    timers_.erase(it);
    task();
    if (stop_.load(std::memory_order_acquire)) return;
    it = timers_.begin();
  }
}

int EventLoop::WaitMilliseconds() const {
  if (pending_.load(std::memory_order_relaxed) > 0) return 0;
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first.first - clock_.Now().mono;
  if (left <= Duration::zero()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return ms > INT_MAX ? INT_MAX : static_cast<int>(ms);
}

void EventLoop::WaitForEvents() {
  std::array<epoll_event, 128> events{};
  const int count = ::epoll_wait(epoll_.Get(), events.data(), events.size(), WaitMilliseconds());
  if (count < 0) {
    if (errno == EINTR) return;
    ThrowErrno("epoll_wait");
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const int fd = events[i].data.fd;
    if (fd == wakeup_.Get()) {
      std::uint64_t drained;
      [[maybe_unused]] const auto got = ::read(fd, &drained, sizeof drained);
      continue;
    }
    const auto found = watches_.find(fd);
    if (found == watches_.end()) continue;
    const std::shared_ptr<FdHandler> handler = found->second;
    (*handler)(events[i].events);
  }
}

}  // namespace runner
