#pragma once

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "common/base/unique_fd.h"

namespace runner::support {

// Reads a program's log like a log driver: copies a FIFO of one page into a file, and can stop
// reading.
class LogReader {
 public:
  // Creates the FIFO. Throws std::system_error if that fails.
  LogReader(const std::filesystem::path& fifo, const std::filesystem::path& file);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // Stops reading; the FIFO stays open.
  void Stop();
  void GoOn();
  // Closes the FIFO: the program then writes into a pipe without a reader.
  void Close();

 private:
  void Run();

  // Not common/base/mutex.h: the headers of gRPC, which tests include too, define macros of the
  // same names.
  std::mutex mutex_;  // guards all but the thread and file_
  std::condition_variable changed_;
  UniqueFd fifo_;
  UniqueFd file_;
  bool stopped_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace runner::support
