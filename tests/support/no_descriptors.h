#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/sanitizers.h"

namespace runner {

// During the lifetime of the object this process cannot open more than `spare` descriptors (0 or
// 1).
class NoDescriptors {
 public:
  explicit NoDescriptors(int spare = 0) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = ::dup(STDIN_FILENO);
    ::close(lowest_free);
    const rlimit none{static_cast<rlim_t>(lowest_free + spare), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace runner
