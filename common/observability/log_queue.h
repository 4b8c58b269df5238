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

// Lines for a descriptor. The queue's own thread writes them, so that no caller waits for the
// reader of the descriptor. While the queue is full, lines are dropped and counted until half of it
// is free. A notice with the number of dropped lines precedes the next line. The thread sleeps
// while there is nothing to write. The caller owns the descriptor. Its flags are shared with other
// processes and are not changed: it may be blocking or not.
//
// Threads: any, except for the destructor.
class LogQueue {
 public:
  struct Limits {
    std::size_t bytes = std::size_t{4} << 20;          // of the queued lines
    std::size_t lines = 16'384;                        // in the queue
    Duration flush_timeout = std::chrono::seconds(1);  // timeout of the destructor and of Flush
  };
  // Returns the line that reports the number of dropped lines. Called on the thread of the queue.
  using Notice = std::function<std::string(std::uint64_t lost)>;

  // Throws std::system_error if the thread cannot be started.
  LogQueue(int fd, const Limits& limits, Notice notice);
  // Returns when all lines are written, or after `flush_timeout`. In the second case the thread
  // keeps running with its state; it ends when the reader reads, or with the process.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // Appends a line and adds its line end. A line that cannot be written later is dropped and
  // counted.
  void Push(std::string line);

  // Returns when all lines are written, or after `flush_timeout`. After such a timeout, Flush
  // and the destructor return at once.
  void Flush();

  // Lines dropped so far: the queue was full, or writing failed (a closed pipe, a full disk).
  std::uint64_t dropped() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;  // shared with the thread
  std::thread thread_;
};

// Writes a text to stderr and waits for its reader, at most `flush_timeout` of a LogQueue for
// each line. For messages before the first Logger exists and after the last one is destroyed.
void WriteToStderr(std::string_view text) noexcept;

}  // namespace runner
