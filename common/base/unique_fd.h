#pragma once

#include <cerrno>
#include <utility>

#include <unistd.h>

namespace runner {

// Sole owner of a file descriptor; closes it on destruction. Not thread-safe.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int Get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Releases the descriptor without closing it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old < 0) return;
    // Keeps the errno of the call that produced `fd`.
    const int error = errno;
    // Linux frees the descriptor even if close(2) is interrupted: a second call could close another
    // file.
    ::close(old);
    errno = error;
  }

 private:
  int fd_ = -1;
};

}  // namespace runner
