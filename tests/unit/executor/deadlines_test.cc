#include "executor/shim/deadlines.h"

#include <gtest/gtest.h>

namespace runner::executor {
namespace {

using Action = Deadlines::Action;

TEST(Deadlines, TimeoutTerminatesOnceAndKillsAfterTheGrace) {
  Deadlines deadlines(1000, 100, 10);
  EXPECT_EQ(deadlines.next(), 1100);
  EXPECT_EQ(deadlines.Due(1099), Action::kNone);
  EXPECT_EQ(deadlines.Due(1100), Action::kTerminate);
  EXPECT_EQ(deadlines.Due(1109), Action::kNone);
  EXPECT_EQ(deadlines.Due(1110), Action::kKill);
  EXPECT_EQ(deadlines.next(), Deadlines::kNever);
  EXPECT_TRUE(deadlines.timed_out());
  EXPECT_EQ(deadlines.stopped(), ShimStop::kNone);
}

TEST(Deadlines, FirstCauseIsRemembered) {
  Deadlines stopped(0, 100, 50);
  EXPECT_TRUE(stopped.Stop(ShimStop::kCancelled, 90));
  EXPECT_FALSE(stopped.Stop(ShimStop::kInterrupted, 95));
  EXPECT_EQ(stopped.Due(110), Action::kNone) << "the timeout passes during the grace";
  EXPECT_EQ(stopped.Due(140), Action::kKill);
  EXPECT_FALSE(stopped.timed_out());
  EXPECT_EQ(stopped.stopped(), ShimStop::kCancelled);

  Deadlines late(0, 100, 50);
  EXPECT_EQ(late.Due(100), Action::kTerminate);
  EXPECT_FALSE(late.Stop(ShimStop::kInterrupted, 110));
  EXPECT_EQ(late.stopped(), ShimStop::kNone);
}

TEST(Deadlines, NoTimeLimitIsNeverDue) {
  Deadlines deadlines(0, 0, 10);
  EXPECT_EQ(deadlines.Due(INT64_MAX - 1), Action::kNone);
}

TEST(Deadlines, HurryEndsAGraceThatHasBegun) {
  Deadlines deadlines(0, 1000, 100);
  deadlines.Hurry(1);
  EXPECT_EQ(deadlines.Due(1), Action::kNone);
  deadlines.Stop(ShimStop::kInterrupted, 2);
  deadlines.Hurry(3);
  EXPECT_EQ(deadlines.Due(3), Action::kKill);
}

}  // namespace
}  // namespace runner::executor
