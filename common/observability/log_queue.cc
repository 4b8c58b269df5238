#include "common/observability/log_queue.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <system_error>
#include <utility>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/mutex.h"

namespace runner {

struct LogQueue::State {
  struct Line {
    std::string text;
    std::uint64_t lost_before = 0;  // lines dropped between the previous line and this one
  };

  State(int descriptor, const Limits& bounds, Notice report)
      : fd(descriptor), limits(bounds), notice(std::move(report)) {}

  const int fd;
  const Limits limits;
  const Notice notice;

  Mutex mutex;
  Condition changed;
  std::deque<Line> lines GUARDED_BY(mutex);  // the first stays in the queue while it is written
  std::size_t bytes GUARDED_BY(mutex) = 0;   // of `lines`
  std::uint64_t lost_behind GUARDED_BY(mutex) = 0;  // lines dropped after the last of `lines`
  std::uint64_t dropped GUARDED_BY(mutex) = 0;
  bool dropping GUARDED_BY(mutex) = false;
  bool ended GUARDED_BY(mutex) = false;     // no more lines follow
  bool writing GUARDED_BY(mutex) = false;   // true also while a notice is written
  bool given_up GUARDED_BY(mutex) = false;  // the timeout has passed without a reader

  // --- the thread of the queue ------------------------------------------------------------------
  std::uint64_t lost = 0;  // since the last written notice
  bool torn = false;       // the end of a partly written line is missing

  bool Idle() const REQUIRES(mutex) { return lines.empty() && lost_behind == 0 && !writing; }
  void Run() EXCLUDES(mutex);
  bool Write(std::string_view line);
  bool WriteNotice();
};

namespace {

// Returns the number of bytes written. If it is less than the size, the descriptor failed.
std::size_t WriteAll(int fd, std::string_view text) {
  std::size_t total = 0;
  while (total < text.size()) {
    const ssize_t written = ::write(fd, text.data() + total, text.size() - total);
    if (written > 0) {
      total += static_cast<std::size_t>(written);
    } else if (written < 0 && errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) break;
    } else if (written == 0 || errno != EINTR) {
      break;
    }
  }
  return total;
}

}  // namespace

bool LogQueue::State::Write(std::string_view line) {
  if (torn && WriteAll(fd, "\n") != 1) return false;
  const std::size_t written = WriteAll(fd, line);
  torn = written > 0 && written < line.size();
  return written == line.size();
}

bool LogQueue::State::WriteNotice() {
  try {
    if (!Write(notice(lost) + '\n')) return false;
  } catch (...) {  // out of memory
    return false;
  }
  lost = 0;
  return true;
}

void LogQueue::State::Run() {
  mutex.Lock();
  for (;;) {
    while (Idle() && !ended) changed.Wait(mutex);
    if (Idle()) break;
    writing = true;
    if (lines.empty()) {
      lost += std::exchange(lost_behind, 0);
      mutex.Unlock();
      WriteNotice();
      mutex.Lock();
    } else {
      // push_back does not invalidate references into a deque, and only this thread removes lines.
      const Line& line = lines.front();
      mutex.Unlock();
      lost += line.lost_before;
      const bool written = (lost == 0 || WriteNotice()) && Write(line.text);
      if (!written) ++lost;
      mutex.Lock();
      if (!written) ++dropped;
      bytes -= line.text.size();
      lines.pop_front();
      if (bytes <= limits.bytes / 2 && lines.size() <= limits.lines / 2) dropping = false;
    }
    writing = false;
    if (Idle()) changed.NotifyAll();
  }
  mutex.Unlock();
}

LogQueue::LogQueue(int fd, const Limits& limits, Notice notice)
    : state_(std::make_shared<State>(fd, limits, std::move(notice))) {
  // Blocks all signals in the thread, so that it handles none and SIGPIPE, SIGXFSZ and SIGTTOU from
  // its writes neither end nor stop the process.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([state = state_] { state->Run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogQueue::~LogQueue() {
  Flush();
  bool done = false;
  {
    const MutexLock lock(state_->mutex);
    state_->ended = true;
    state_->changed.NotifyAll();
    done = state_->Idle();
  }
  if (done) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void LogQueue::Flush() {
  const auto deadline = std::chrono::steady_clock::now() + state_->limits.flush_timeout;
  const MutexLock lock(state_->mutex);
  while (!state_->Idle() && !state_->given_up) {
    const auto left = deadline - std::chrono::steady_clock::now();
    state_->given_up = left <= Duration::zero();
    if (!state_->given_up) state_->changed.WaitFor(state_->mutex, left);
  }
}

void LogQueue::Push(std::string line) {
  line += '\n';
  State& state = *state_;
  const MutexLock lock(state.mutex);
  if (state.bytes + line.size() > state.limits.bytes || state.lines.size() >= state.limits.lines) {
    state.dropping = !state.lines.empty();  // a line above the bound is dropped alone
  }
  if (state.dropping || line.size() > state.limits.bytes) {
    ++state.lost_behind;
    ++state.dropped;
  } else {
    state.bytes += line.size();
    state.lines.push_back({std::move(line), std::exchange(state.lost_behind, 0)});
  }
  state.changed.NotifyAll();
}

std::uint64_t LogQueue::dropped() const {
  const MutexLock lock(state_->mutex);
  return state_->dropped;
}

void WriteToStderr(std::string_view text) noexcept {
  try {
    LogQueue::Limits limits;
    limits.bytes = std::numeric_limits<std::size_t>::max();
    LogQueue queue(STDERR_FILENO, limits, [](std::uint64_t) { return std::string(); });
    // If a line is not read in time, later calls of Flush return at once.
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      queue.Push(std::string(text.substr(begin, end - begin)));
      queue.Flush();
      begin = end + 1;
    }
  } catch (...) {  // no thread available: a write that may block is better than no message
    WriteAll(STDERR_FILENO, text);
    WriteAll(STDERR_FILENO, "\n");
  }
}

}  // namespace runner
