#include "common/observability/log_throttle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using namespace std::chrono_literals;
using testing::Optional;

TEST(LogThrottleTest, EachCausePassesOnceAMinute) {
  LogThrottle throttle;
  const MonoTime start{};
  EXPECT_THAT(throttle.Pass(start, "expired"), Optional(0));
  EXPECT_EQ(throttle.Pass(start + 1s, "expired"), std::nullopt);
  EXPECT_EQ(throttle.Pass(start + 2s, "expired"), std::nullopt);
  EXPECT_THAT(throttle.Pass(start + 3s, "unknown"), Optional(2)) << "suppressed lines";
  EXPECT_THAT(throttle.Pass(start + 60s, "expired"), Optional(0));
}

TEST(LogThrottleTest, CausesThatAPeerInventsAreBounded) {
  LogThrottle throttle;
  int passed = 0;
  for (int i = 0; i < 1000; ++i) {
    if (throttle.Pass(MonoTime{} + 1s, std::to_string(i))) ++passed;
  }
  EXPECT_EQ(passed, 10);
  EXPECT_THAT(throttle.Pass(MonoTime{} + 61s, "one more"), Optional(990));
}

}  // namespace
}  // namespace runner
