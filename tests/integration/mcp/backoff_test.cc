// When the attempts after a failure arrive at the server, and what the listener receives.

#include <algorithm>
#include <chrono>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;

constexpr Duration kInitial = milliseconds(10);

class BackoffTest : public ConnectionTest {
 protected:
  static ConnectionOptions Options() {
    ConnectionOptions options;
    options.initial_delay = kInitial;
    options.max_delay = kLongestDelay;
    return options;
  }
  // The first request that came after the failure.
  MonoTime ArrivalAfter(std::size_t failure) const {
    const auto& arrivals = server_->arrivals();
    return *std::upper_bound(arrivals.begin(), arrivals.end(), failed_at_.at(failure));
  }
  std::size_t Arrived() const { return server_->arrivals().size(); }
  // The delay of a failure is that of so many in a row, spread by a quarter, and never too long.
  void ExpectDelayInARow(std::size_t failure, int in_a_row) const {
    Duration even = kInitial;
    for (int i = 0; i < in_a_row; ++i) even = std::min(even * 2, kLongestDelay);
    EXPECT_GE(delays_[failure], even * 3 / 4) << in_a_row << " before it";
    EXPECT_LE(delays_[failure], std::min(even * 5 / 4, kLongestDelay)) << in_a_row << " before it";
  }
  void ExpectKept(std::size_t failure) const {
    EXPECT_GE(ArrivalAfter(failure) - failed_at_[failure], delays_[failure]) << failure;
  }
};

TEST_F(BackoffTest, TwelveFailuresInARowBackOffUpToTheLongestDelay) {
  constexpr std::size_t kFailures = 12;
  std::mt19937 generator(25);
  std::uniform_real_distribution<double> any(0, 1);
  random_ = [&] { return any(generator); };
  StartServer();
  server_->RefuseWith(503);
  Connect(Options());
  RunUntil([&] { return failures_.size() == kFailures + 1; });
  // The server answers each attempt with one refusal.
  ASSERT_EQ(Arrived(), kFailures + 1);
  for (std::size_t i = 0; i < kFailures; ++i) {
    ExpectDelayInARow(i, static_cast<int>(i));
    EXPECT_GE(server_->arrivals()[i + 1] - server_->arrivals()[i], delays_[i]) << i;
    ExpectKept(i);
  }
  EXPECT_NE(delays_[kFailures - 1], delays_[kFailures]) << "spread also at the longest delay";
}

TEST_F(BackoffTest, BothEndsOfTheJitterAreWithinTheBounds) {
  int turn = 0;
  random_ = [&turn] { return ++turn % 2 == 0 ? 0 : 0.999999; };
  StartServer();
  server_->RefuseWith(503);
  Connect(Options());
  RunUntil([&] { return failures_.size() == 8; });
  for (std::size_t i = 0; i < 7; ++i) {
    ExpectDelayInARow(i, static_cast<int>(i));
    ExpectKept(i);
  }
}

TEST_F(BackoffTest, RetryAfterReplacesTheNextDelay) {
  StartServerWithRules(R"({"match": {"method": "GET", "nth": 1}, "steps":
      ["serve", {"event": {"retry": 200}}, {"wait": 50}, "end", "close"]})");
  Connect(Options());
  RunUntil([&] { return sessions_.size() == 2; });
  ASSERT_EQ(delays_, std::vector<Duration>{milliseconds(200)});
  ExpectKept(0);
}

TEST_F(BackoffTest, SubscriptionResetsTheDelays) {
  StartServer();
  server_->RefuseWith(503);
  Connect(Options());
  RunUntil([&] { return failures_.size() == 4; });
  server_->RefuseWith(0);
  RunUntil([&] { return sessions_.size() == 1; });
  server_->EndStreams();
  RunUntil([&] { return sessions_.size() == 2; });
  ASSERT_EQ(failures_.size(), 5u);
  ExpectDelayInARow(3, 3);
  ExpectDelayInARow(4, 0);
  for (std::size_t i = 0; i < 5; ++i) ExpectKept(i);
}

TEST_F(BackoffTest, ConnectionWithoutASubscriptionDoesNotResetTheDelays) {
  // Session and stream come about, the subscription never does.
  StartServerWithRules(
      R"({"match": {"tool": "events_subscribe"}, "steps": [{"respond": {"status": 503}}]})");
  Connect(Options());
  RunUntil([&] { return failures_.size() == 5; });
  for (std::size_t i = 0; i < 5; ++i) ExpectDelayInARow(i, static_cast<int>(i));
}

TEST_F(BackoffTest, ShutdownEndsADelayAtOnceAndNothingArrivesAfterwards) {
  StartServer();
  server_->RefuseWith(503);
  ConnectionOptions options = Options();
  options.initial_delay = milliseconds(100);
  Connect(options);
  RunUntil([&] { return failures_.size() == 2; });
  const std::size_t arrived = Arrived();
  bool done = false;
  connection_->Close([&] { done = true; });
  EXPECT_TRUE(done) << "within the call";
  bool later = false;
  event_loop_.After(2 * kLongestDelay, [&] {  // longer than any delay
    later = true;
    Changed();
  });
  RunUntil([&] { return later; });
  EXPECT_EQ(Arrived(), arrived);
  EXPECT_EQ(failures_.size(), 2u);
}

}  // namespace
}  // namespace runner::ingest
