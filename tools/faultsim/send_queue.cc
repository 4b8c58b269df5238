#include "tools/faultsim/send_queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace runner::faultsim {
namespace {

constexpr std::size_t kMaxSentKept = 1024 * 1024;
constexpr std::size_t kMaxIdleCapacity = 64 * 1024;

}  // namespace

bool SendQueue::Flush(int fd) {
  while (Unsent() > 0 && !resting_) {
    const std::size_t piece = pace_.bytes == 0 ? Unsent() : std::min(pace_.bytes, Unsent());
    const auto sent = ::send(fd, bytes_.data() + sent_, piece, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
      if (sent_ > kMaxSentKept) bytes_.erase(0, std::exchange(sent_, 0));
      return true;
    }
    sent_ += static_cast<std::size_t>(sent);
    resting_ = pace_.bytes != 0;
  }
  if (Unsent() == 0) Drop();
  return true;
}

// Releases the memory of a large queue.
void SendQueue::Drop() {
  sent_ = 0;
  if (bytes_.capacity() > kMaxIdleCapacity) {
    bytes_ = std::string();
  } else {
    bytes_.clear();
  }
}

}  // namespace runner::faultsim
