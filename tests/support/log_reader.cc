#include "tests/support/log_reader.h"

#include <cerrno>
#include <chrono>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace runner::support {

LogReader::LogReader(const std::filesystem::path& fifo, const std::filesystem::path& file)
    : file_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (::mkfifo(fifo.c_str(), 0600) != 0) {
    throw std::system_error(errno, std::generic_category(), fifo);
  }
  fifo_.Reset(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ::fcntl(fifo_.Get(), F_SETPIPE_SZ, 4096);
  thread_ = std::thread([this] { Run(); });
}

LogReader::~LogReader() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void LogReader::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

void LogReader::GoOn() {
  const std::lock_guard lock(mutex_);
  stopped_ = false;
  changed_.notify_all();
}

void LogReader::Close() {
  const std::lock_guard lock(mutex_);
  fifo_.Reset();
}

void LogReader::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    char some[65536];
    const ssize_t got = stopped_ ? 0 : ::read(fifo_.Get(), some, sizeof some);
    if (got > 0) {
      [[maybe_unused]] const ssize_t put = ::write(file_.Get(), some, static_cast<size_t>(got));
    }
    changed_.wait_for(lock, std::chrono::milliseconds(got > 0 ? 0 : 5));
  }
}

}  // namespace runner::support
