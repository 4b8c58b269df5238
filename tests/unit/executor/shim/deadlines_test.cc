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

TEST(Deadlines, FirstCauseIsRecorded) {
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

TEST(Deadlines, LeaseDeadlineStopsTheAgentUnlessItIsExtended) {
  Deadlines deadlines(0, 1000, 10, 100);
  EXPECT_EQ(deadlines.Due(99), Action::kNone);
  deadlines.ExtendLease(200);
  EXPECT_EQ(deadlines.next(), 200);
  EXPECT_EQ(deadlines.Due(199), Action::kNone);
  EXPECT_EQ(deadlines.Due(200), Action::kTerminate);
  EXPECT_EQ(deadlines.stopped(), ShimStop::kLeaseDeadline);
  EXPECT_FALSE(deadlines.timed_out());
  deadlines.ExtendLease(900);
  EXPECT_EQ(deadlines.Due(210), Action::kKill) << "too late";
}

TEST(Deadlines, ShimFrozenBeyondBothReportsATimeout) {
  Deadlines deadlines(0, 100, 10, 50);
  EXPECT_EQ(deadlines.Due(1000), Action::kTerminate);
  EXPECT_TRUE(deadlines.timed_out());
  EXPECT_EQ(deadlines.stopped(), ShimStop::kNone);
}

// The executor kills a shim that has not ended a second after this.
TEST(Deadlines, ShimEndsWithinFiveSecondsAfterTheKill) {
  constexpr std::int64_t kGrace = 7 * kSecondNs;
  Deadlines deadlines(0, 0, kGrace);
  EXPECT_EQ(deadlines.agent_until(), Deadlines::kNever);
  deadlines.Stop(ShimStop::kInterrupted, 0);
  EXPECT_EQ(deadlines.agent_until(), Deadlines::kNever) << "the grace is the agent's";
  EXPECT_EQ(deadlines.Due(kGrace), Action::kKill);
  deadlines.MustEnd(deadlines.agent_until());  // the agent has taken all of its time
  EXPECT_GT(deadlines.agent_until(), kGrace);
  EXPECT_GT(deadlines.contain_until(), deadlines.agent_until());
  EXPECT_GT(deadlines.drain_until(), deadlines.contain_until());
  EXPECT_EQ(deadlines.drain_until(), kGrace + 5 * kSecondNs);
}

TEST(Deadlines, SkipGraceEndsAGraceInProgress) {
  Deadlines deadlines(0, 1000, 100);
  deadlines.SkipGrace(1);
  EXPECT_EQ(deadlines.Due(1), Action::kNone);
  deadlines.Stop(ShimStop::kInterrupted, 2);
  deadlines.SkipGrace(3);
  EXPECT_EQ(deadlines.Due(3), Action::kKill);
}

}  // namespace
}  // namespace runner::executor
