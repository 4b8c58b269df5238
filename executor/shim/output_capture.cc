#include "executor/shim/output_capture.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace runner::executor {

OutputCapture::OutputCapture(int dir_fd, const char* name, std::uint64_t limit)
    : file_(::openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)),
      head_limit_(limit / 2),
      tail_limit_(limit - limit / 2) {
  if (!file_) error_ = errno;
}

OutputCapture::~OutputCapture() {
  if (tail_ != nullptr) ::munmap(tail_, tail_limit_);
}

void OutputCapture::Append(const char* data, std::size_t size) {
  const std::uint64_t room = total_ < head_limit_ ? head_limit_ - total_ : 0;
  const std::size_t head = static_cast<std::size_t>(std::min<std::uint64_t>(room, size));
  total_ += size;
  if (head > 0) Write(data, head);
  if (head < size) AppendToTail(data + head, size - head);
}

void OutputCapture::Finish() {
  const std::uint64_t kept = tail_ == nullptr ? 0 : std::min(tail_total_, tail_limit_);
  const std::uint64_t missing = total_ - written_ - kept;
  if (missing > 0) {
    char line[64];
    const int length =
        std::snprintf(line, sizeof line, "\n[... %" PRIu64 " bytes dropped ...]\n", missing);
    const std::uint64_t before = written_;
    Write(line, static_cast<std::size_t>(length));
    written_ = before;
  }
  if (kept == 0) return;
  const std::uint64_t end = tail_total_ % tail_limit_;
  if (tail_total_ > tail_limit_) Write(tail_ + end, tail_limit_ - end);
  Write(tail_, tail_total_ > tail_limit_ ? end : kept);
}

void OutputCapture::Write(const char* data, std::size_t size) {
  while (size > 0) {
    if (error_ != 0) return;
    const ssize_t wrote = ::write(file_.Get(), data, size);
    if (wrote < 0) {
      if (errno != EINTR) error_ = errno;
      continue;
    }
    written_ += static_cast<std::uint64_t>(wrote);
    data += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
}

void OutputCapture::AppendToTail(const char* data, std::size_t size) {
  if (error_ != 0 || tail_limit_ == 0) return;
  if (tail_ == nullptr) {
    void* const memory = ::mmap(nullptr, tail_limit_, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      error_ = errno;
      return;
    }
    tail_ = static_cast<char*>(memory);
  }
  if (size > tail_limit_) {
    tail_total_ += size - tail_limit_;
    data += size - tail_limit_;
    size = tail_limit_;
  }
  const std::uint64_t at = tail_total_ % tail_limit_;
  const std::size_t first =
      static_cast<std::size_t>(std::min<std::uint64_t>(tail_limit_ - at, size));
  std::memcpy(tail_ + at, data, first);
  std::memcpy(tail_, data + first, size - first);
  tail_total_ += size;
}

}  // namespace runner::executor
