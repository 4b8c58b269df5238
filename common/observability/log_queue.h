#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "common/base/clock.h"

namespace runner {

// Lines for a descriptor, written by a thread of the queue, so that nobody waits for the reader of
// that descriptor. While the queue is full, lines are dropped and counted until half of it is free.
// The next line that is written comes after a notice of how many were lost. The thread sleeps while
// there is nothing to write. The descriptor is borrowed; its flags, which other processes share,
// are left alone: it may block or not. Threads: any, except for the destructor.
class LogQueue {
 public:
  struct Limits {
    std::size_t bytes = std::size_t{4} << 20;             // of the lines that wait
    std::size_t lines = 16'384;                           // that wait
    Duration patience_at_exit = std::chrono::seconds(1);  // of the destructor
  };
  // The line that reports so many lost lines. Called on the thread of the queue.
  using Notice = std::function<std::string(std::uint64_t lost)>;

  // Throws std::system_error when no thread can be started.
  LogQueue(int fd, const Limits& limits, Notice notice);
  // Returns when all lines are written, or after `patience_at_exit`. In the second case the thread
  // is left behind with what it needs; it ends when the reader reads, or with the process.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // Appends a line; its end is added here. A line that cannot be written later is lost and counted.
  void Push(std::string line);

  // Returns when all lines are written, or after `patience_at_exit`; from then on at once, also the
  // destructor.
  void Flush();

  // Lines lost so far: the queue was full, or writing failed (a closed pipe, a full disk).
  std::uint64_t dropped() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;  // the thread has a share of it
  std::thread thread_;
};

// Writes a text to stderr, and waits for its reader as long as each line of it is written within
// the patience of a LogQueue: for messages from outside the time of a Logger.
void WriteToStderr(std::string_view text) noexcept;

}  // namespace runner
