#include "ingest/core/connection_board.h"

#include <chrono>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;

TEST(ConnectionBoard, StartsUnsubscribedWithoutAGap) {
  const ConnectionBoard board(2, At(0));
  EXPECT_EQ(board.subscribed(), 0u);
  EXPECT_FALSE(board.Of(0).subscribed);
  EXPECT_EQ(board.Of(0).GapUntil(At(100)), Duration::zero());
  EXPECT_THROW(board.Of(2), std::out_of_range);
}

TEST(ConnectionBoard, TimeBeforeTheFirstSubscriptionIsDowntimeButNotAGap) {
  ConnectionBoard board(1, At(0));
  EXPECT_EQ(board.OnSubscribed(0, {}, At(7)), seconds(7));
  EXPECT_EQ(board.subscribed(), 1u);
  EXPECT_EQ(board.Of(0).GapUntil(At(100)), Duration::zero());
}

TEST(ConnectionBoard, GapAddsUpAllTimeWithoutASubscription) {
  ConnectionBoard board(1, At(0));
  board.OnSubscribed(0, {}, At(10));
  board.OnFailed(0, "network", "refused", seconds(1), At(20));
  EXPECT_EQ(board.subscribed(), 0u);
  EXPECT_EQ(board.Of(0).GapUntil(At(23)), seconds(3));
  board.OnFailed(0, "network", "refused", seconds(1), At(24));
  EXPECT_EQ(board.OnSubscribed(0, {}, At(25)), seconds(5));
  EXPECT_EQ(board.Of(0).GapUntil(At(90)), seconds(5));
  board.OnFailed(0, "timeout", "", seconds(1), At(100));
  EXPECT_EQ(board.Of(0).GapUntil(At(101)), seconds(6));
}

TEST(ConnectionBoard, CountsFailuresByReason) {
  ConnectionBoard board(2, At(0));
  board.OnFailed(0, "network", "refused", seconds(1), At(1));
  board.OnFailed(0, "network", "reset", seconds(1), At(2));
  board.OnFailed(0, "auth", "401", seconds(1), At(3));
  EXPECT_EQ(board.Of(0).errors.at("network"), 2u);
  EXPECT_EQ(board.Of(0).errors.at("auth"), 1u);
  EXPECT_EQ(board.Of(0).reconnections.at("network"), 2u);
  EXPECT_EQ(board.Of(0).last_error, "auth: 401");
  EXPECT_TRUE(board.Of(1).errors.empty());
  board.OnSubscribed(0, {}, At(4));
  EXPECT_TRUE(board.Of(0).last_error.empty());
}

TEST(ConnectionBoard, DurationIsObservedOncePerSubscription) {
  ConnectionBoard board(1, At(0));
  board.OnFailed(0, "network", "", seconds(1), At(1));
  EXPECT_EQ(board.Of(0).durations.Count(), 0u);
  board.OnSubscribed(0, {}, At(10));
  EXPECT_EQ(board.OnSubscribed(0, {}, At(20)), Duration::zero()) << "reported twice";
  board.OnFailed(0, "network", "", seconds(1), At(110));
  board.OnClosed(0, At(120));
  EXPECT_EQ(board.Of(0).durations.Count(), 1u);
  EXPECT_DOUBLE_EQ(board.Of(0).durations.Sum(), 100);
}

TEST(ConnectionBoard, ClosingIsNotAFailure) {
  ConnectionBoard board(1, At(0));
  board.OnSubscribed(0, {}, At(1));
  board.OnClosed(0, At(2));
  EXPECT_EQ(board.subscribed(), 0u);
  EXPECT_TRUE(board.Of(0).errors.empty());
}

TEST(ConnectionBoard, KeepsTheTimeOfTheLastEvent) {
  ConnectionBoard board(1, At(0));
  EXPECT_FALSE(board.Of(0).last_event);
  const WallTime now{std::chrono::hours(1)};
  board.OnEvent(0, false, now);
  EXPECT_EQ(board.Of(0).last_event, now);
}

TEST(ConnectionBoard, CountsBackfilledEventsSeparately) {
  ConnectionBoard board(1, At(0));
  board.OnEvent(0, false, {});
  board.OnEvent(0, true, {});
  EXPECT_EQ(board.Of(0).backfilled, 1u);
}

TEST(ConnectionBoard, CountsRepeatsOfOneError) {
  ConnectionBoard board(1, At(0));
  EXPECT_EQ(board.OnFailed(0, "network", "refused", seconds(1), At(1)), 1);
  EXPECT_EQ(board.OnFailed(0, "network", "refused", seconds(1), At(2)), 2);
  EXPECT_EQ(board.OnFailed(0, "network", "reset", seconds(1), At(3)), 1);
  EXPECT_EQ(board.Of(0).attempt, 3);
  board.OnSubscribed(0, {}, At(4));
  EXPECT_EQ(board.OnFailed(0, "network", "reset", seconds(1), At(5)), 1);
  EXPECT_EQ(board.Of(0).attempt, 1);
}

TEST(ConnectionBoard, RepeatsIgnoreTheTextInParentheses) {
  ConnectionBoard board(1, At(0));
  const auto failed = [&board](const std::string& detail) {
    return board.OnFailed(0, "server", detail, seconds(1), At(1));
  };
  EXPECT_EQ(failed("POST http://a/mcp answers 503 (request abc); see the log"), 1);
  EXPECT_EQ(failed("POST http://a/mcp answers 503 (request (def); see the log"), 2);
  EXPECT_EQ(failed("POST http://b/mcp answers 503 (request def); see the log"), 1);
  EXPECT_EQ(failed(") not a pair ("), 1);
}

TEST(ConnectionBoard, RepeatsIgnoreDurations) {
  ConnectionBoard board(1, At(0));
  board.OnFailed(0, "timeout", "timed out after 10001 ms", seconds(1), At(1));
  EXPECT_EQ(board.OnFailed(0, "timeout", "timed out after 10003 ms", seconds(1), At(2)), 2);
}

TEST(ConnectionBoard, ReportsTheStateOfAConnection) {
  ConnectionBoard board(1, At(0));
  EXPECT_EQ(board.Of(0).Word(At(0)), "connecting");
  board.OnFailed(0, "network", "refused", seconds(5), At(1));
  EXPECT_EQ(board.Of(0).Word(At(2)), "retrying");
  EXPECT_EQ(board.Of(0).Word(At(6)), "connecting");
  board.OnSubscribed(0, {"faults", "sse", "2024-11-05", ""}, At(7));
  EXPECT_EQ(board.Of(0).Word(At(7)), "subscribed");
  EXPECT_EQ(board.Of(0).facts.transport, "sse");
  board.OnClosed(0, At(8));
  EXPECT_EQ(board.Of(0).Word(At(8)), "closed");
}

TEST(ConnectionBoard, AReopenedConnectionIsConnectingAndItsGapContinues) {
  ConnectionBoard board(1, At(0));
  board.OnSubscribed(0, {}, At(1));
  board.OnClosed(0, At(10));
  EXPECT_EQ(board.Of(0).Word(At(10)), "closed");
  board.OnOpened(0, At(11));
  EXPECT_EQ(board.Of(0).Word(At(11)), "connecting");
  EXPECT_EQ(board.OnSubscribed(0, {}, At(14)), seconds(4));
  EXPECT_EQ(board.Of(0).GapUntil(At(99)), seconds(4));
}

TEST(ConnectionBoard, AReplacedConnectionResetsTheRepeats) {
  ConnectionBoard board(1, At(0));
  for (int i = 1; i <= 500; ++i) {
    EXPECT_EQ(board.OnFailed(0, "network", "10.0.0.5 refuses", seconds(1), At(i)), i);
  }
  board.OnClosed(0, At(501));
  board.OnOpened(0, At(501));
  EXPECT_EQ(board.OnFailed(0, "network", "10.0.0.6 refuses", seconds(1), At(502)), 1);
}

TEST(ConnectionBoard, ARemovedClusterIsUnsubscribedAndItsGapStops) {
  ConnectionBoard board(2, At(0));
  board.OnSubscribed(0, {}, At(0));
  board.OnSubscribed(1, {}, At(0));
  board.OnFailed(0, "network", "reset", seconds(1), At(10));
  board.OnRemoved(0, At(13));
  board.OnRemoved(1, At(13));
  board.OnRemoved(1, At(20));
  EXPECT_EQ(board.subscribed(), 0u);
  EXPECT_EQ(board.Of(0).GapUntil(At(99)), seconds(3));
  EXPECT_EQ(board.Of(1).GapUntil(At(99)), Duration::zero());
  EXPECT_EQ(board.Of(0).errors.at("network"), 1u) << "counters stay";
  board.OnOpened(0, At(90));
  EXPECT_EQ(board.OnSubscribed(0, {}, At(100)), seconds(10));
  EXPECT_EQ(board.subscribed(), 1u);
  EXPECT_EQ(board.Of(0).GapUntil(At(200)), seconds(3)) << "not configured meanwhile";
}

TEST(ConnectionBoard, AddsStatesForNewClusters) {
  ConnectionBoard board(1, At(0));
  board.OnSubscribed(0, {}, At(1));
  board.Grow(2, At(50));
  EXPECT_TRUE(board.Of(0).subscribed);
  EXPECT_EQ(board.OnSubscribed(1, {}, At(53)), seconds(3));
  board.Grow(1, At(60));
  EXPECT_EQ(board.subscribed(), 2u) << "never decreases";
}

}  // namespace
}  // namespace runner::ingest
