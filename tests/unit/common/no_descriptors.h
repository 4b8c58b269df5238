#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

// UndefinedBehaviorSanitizer takes an object for invalid when it has no descriptor for its pipe.
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS() \
  GTEST_SKIP() << "UndefinedBehaviorSanitizer looks at memory through a pipe of its own"
#endif
#endif
#ifndef RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS
#define RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS() static_cast<void>(0)
#endif

namespace runner {

// This process cannot open more than `spare` descriptors (0 or 1) while it lives.
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
