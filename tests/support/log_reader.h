#pragma once

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "common/base/unique_fd.h"

namespace runner::support {

// Stands between a program and its log, as a log driver does: reads a FIFO of one page into a file,
// and can stop doing so.
class LogReader {
 public:
  // Makes the FIFO. Throws std::system_error when that fails.
  LogReader(const std::filesystem::path& fifo, const std::filesystem::path& file);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // Nothing is read from now on; the FIFO stays open.
  void Stop();
  void GoOn();
  // Closes the FIFO: the program writes into a pipe without a reader.
  void Close();

 private:
  void Run();

  // Not common/base/mutex.h: the headers of gRPC, which tests include as well, have macros of its
  // names.
  std::mutex mutex_;  // of all but the thread and file_
  std::condition_variable changed_;
  UniqueFd fifo_;
  UniqueFd file_;
  bool stopped_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace runner::support
