#include "common/base/backoff.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double kNoSpread = 0.5;

TEST(BackoffTest, DoublesFromInitialToMax) {
  Backoff backoff(seconds(1), seconds(5));
  EXPECT_EQ(backoff.Next(kNoSpread), seconds(1));
  EXPECT_EQ(backoff.Next(kNoSpread), seconds(2));
  EXPECT_EQ(backoff.Next(kNoSpread), seconds(4));
  EXPECT_EQ(backoff.Next(1), seconds(5));
  EXPECT_EQ(backoff.Next(1), seconds(5));
}

TEST(BackoffTest, JitterAtTheMaximumStaysBelowIt) {
  Backoff backoff(seconds(60), seconds(60));
  EXPECT_EQ(backoff.Next(0), seconds(45));
  EXPECT_LT(backoff.Next(0.9), seconds(60)) << "clamping would give many clients one delay";
  EXPECT_EQ(backoff.Next(1), seconds(60));
}

TEST(BackoffTest, JitterIsAQuarter) {
  EXPECT_EQ(Backoff(seconds(4), seconds(60)).Next(0), seconds(3));
  EXPECT_EQ(Backoff(seconds(4), seconds(60)).Next(1), seconds(5));
}

TEST(BackoffTest, StaysWithinMaxAfterAThousandFailures) {
  Backoff backoff(milliseconds(1), std::chrono::hours(24 * 365));
  for (int i = 0; i < 1000; ++i) {
    const Duration delay = backoff.Next(0.999999);
    ASSERT_GT(delay, Duration::zero());
    ASSERT_LE(delay, std::chrono::hours(24 * 365));
  }
}

TEST(BackoffTest, AcceptsTheLargestDuration) {
  Backoff backoff(seconds(1), Duration::max() / 2);
  for (int i = 0; i < 1000; ++i) ASSERT_GT(backoff.Next(kNoSpread), Duration::zero());
}

TEST(BackoffTest, InitialAboveMaxIsReducedToMax) {
  EXPECT_EQ(Backoff(seconds(9), seconds(2)).Next(1), seconds(2));
}

TEST(BackoffTest, ResetRestoresTheInitialDelay) {
  Backoff backoff(seconds(1), seconds(60));
  backoff.Next(kNoSpread);
  backoff.Next(kNoSpread);
  backoff.OverrideNext(seconds(30));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(kNoSpread), seconds(1));
}

TEST(BackoffTest, OverrideReplacesOneDelayExactly) {
  Backoff backoff(seconds(1), seconds(60));
  backoff.OverrideNext(seconds(7));
  EXPECT_EQ(backoff.Next(0), seconds(7));
  EXPECT_EQ(backoff.Next(kNoSpread), seconds(2));
}

TEST(BackoffTest, OverrideIsBounded) {
  Backoff backoff(seconds(1), seconds(60));
  backoff.OverrideNext(seconds(3600));
  EXPECT_EQ(backoff.Next(1), seconds(60));
  backoff.OverrideNext(seconds(-1));
  EXPECT_EQ(backoff.Next(0), milliseconds(100));
}

TEST(FullJitterBackoffTest, CeilingDoublesAndStopsAtMax) {
  FullJitterBackoff backoff;
  EXPECT_EQ(backoff.Next(1), milliseconds(200));
  EXPECT_EQ(backoff.Next(1), milliseconds(400));
  for (int i = 0; i < 1000; ++i) ASSERT_LE(backoff.Next(1), seconds(10));
  EXPECT_EQ(backoff.Next(1), seconds(10));
  EXPECT_EQ(backoff.Next(0), milliseconds(100));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(1), milliseconds(200));
}

}  // namespace
}  // namespace runner
