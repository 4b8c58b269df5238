#include "common/observability/log_throttle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using namespace std::chrono_literals;
using testing::Optional;

TEST(TrickleTest, EachCausePassesOnceAMinute) {
  Trickle trickle;
  const MonoTime start{};
  EXPECT_THAT(trickle.Pass(start, "expired"), Optional(0));
  EXPECT_EQ(trickle.Pass(start + 1s, "expired"), std::nullopt);
  EXPECT_EQ(trickle.Pass(start + 2s, "expired"), std::nullopt);
  EXPECT_THAT(trickle.Pass(start + 3s, "unknown"), Optional(2)) << "what was held back is told";
  EXPECT_THAT(trickle.Pass(start + 60s, "expired"), Optional(0));
}

TEST(TrickleTest, CausesThatAStrangerMakesUpAreBounded) {
  Trickle trickle;
  int passed = 0;
  for (int i = 0; i < 1000; ++i) {
    if (trickle.Pass(MonoTime{} + 1s, std::to_string(i))) ++passed;
  }
  EXPECT_EQ(passed, 10);
  EXPECT_THAT(trickle.Pass(MonoTime{} + 61s, "one more"), Optional(990));
}

}  // namespace
}  // namespace runner
