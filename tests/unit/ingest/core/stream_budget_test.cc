#include "ingest/core/stream_budget.h"

#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

TEST(StreamBudgetTest, RejectsAStreamBeyondItsShareButNotOneBelowIt) {
  StreamBudget budget({.streams = 3, .bytes = 100, .share = 10});
  ASSERT_TRUE(budget.Open(1) && budget.Open(2));
  EXPECT_TRUE(budget.Take(1, 95));
  EXPECT_FALSE(budget.Take(1, 6)) << "beyond the bound of all";
  EXPECT_FALSE(budget.Take(2, 11)) << "beyond its share as well";
  EXPECT_TRUE(budget.Take(2, 10));
  EXPECT_EQ(budget.total(), 105u);
  EXPECT_FALSE(budget.Take(2, 1));
  budget.Give(1, 95);
  EXPECT_TRUE(budget.Take(2, 85));
  EXPECT_EQ(budget.total(), 95u);
}

TEST(StreamBudgetTest, StreamsAreBounded) {
  StreamBudget budget({.streams = 2, .bytes = 100, .share = 10});
  EXPECT_TRUE(budget.Open(1));
  EXPECT_TRUE(budget.Open(2));
  EXPECT_FALSE(budget.Open(3));
  EXPECT_FALSE(budget.Take(3, 1)) << "it is not open";
  EXPECT_TRUE(budget.Take(1, 60));
  budget.Close(1);
  EXPECT_EQ(budget.total(), 0u);
  EXPECT_TRUE(budget.Open(3));
}

TEST(StreamBudgetTest, AClosedStreamReleasesItsBytesOnce) {
  StreamBudget budget({.streams = 2, .bytes = 100, .share = 10});
  ASSERT_TRUE(budget.Open(1) && budget.Open(2));
  EXPECT_TRUE(budget.Take(1, 60) && budget.Take(2, 5));
  budget.Close(1);
  budget.Give(1, 60);
  budget.Close(1);
  EXPECT_EQ(budget.total(), 5u);
  EXPECT_EQ(budget.streams(), 1u);
}

}  // namespace
}  // namespace runner::ingest
