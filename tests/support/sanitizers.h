#pragma once

#include <gtest/gtest.h>

// UndefinedBehaviorSanitizer reports an object as invalid if no descriptor is free for its pipe.
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS() \
  GTEST_SKIP() << "UndefinedBehaviorSanitizer reads memory through its own pipe"
#endif
#endif
#ifndef RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS
#define RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS() static_cast<void>(0)
#endif

namespace runner::support {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif
#else
inline constexpr bool kThreadSanitized = false;
#endif

}  // namespace runner::support
