// The delay that a server requests before the next attempt, and its bounds.

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr auto kShortest = milliseconds(100);

class RetryTest : public ConnectionTest {
 protected:
  static ConnectionOptions Options() {
    ConnectionOptions options = QuickOptions();
    options.max_delay = kLongestDelay;
    return options;
  }
  // The delay after a stream that these steps end.
  Duration DelayAfterStream(const std::string& steps) {
    StartServerWithRules(R"({"match": {"method": "GET", "nth": 1}, "steps": ["serve", )" + steps +
                         R"(, {"wait": 50}, "end", "close"]})");
    Connect(Options());
    RunUntil([&] { return !failures_.empty(); });
    EXPECT_EQ(ToString(failures_.front().error), "stream_closed");
    return delays_.front();
  }
  // The delay after a 503 with this Retry-After.
  Duration DelayAfter503(const std::string& retry_after) {
    StartServerWithRules(R"({"steps": [{"respond": {"status": 503, "headers": {"Retry-After": ")" +
                         retry_after + "\"}}}]}");
    Connect(Options());
    RunUntil([&] { return !failures_.empty(); });
    EXPECT_EQ(ToString(failures_.front().error), "server");
    return delays_.front();
  }
};

TEST_F(RetryTest, RetryFieldReplacesTheNextDelay) {
  EXPECT_EQ(DelayAfterStream(R"({"event": {"retry": 150}})"), milliseconds(150));
}

TEST_F(RetryTest, RetryFieldOfZeroIsBounded) {
  EXPECT_EQ(DelayAfterStream(R"({"event": {"retry": 0}})"), kShortest);
}

TEST_F(RetryTest, HugeRetryFieldIsBounded) {
  EXPECT_EQ(DelayAfterStream(R"({"event": {"retry": 1000000000000}})"), kLongestDelay);
}

TEST_F(RetryTest, RetryFieldBeyondAllNumbersIsBounded) {
  EXPECT_EQ(DelayAfterStream(R"({"event": {"retry": "99999999999999999999999999"}})"),
            kLongestDelay);
}

TEST_F(RetryTest, NegativeRetryFieldIsIgnored) {
  EXPECT_EQ(DelayAfterStream(R"({"event": {"retry": "-1"}})"), QuickOptions().initial_delay);
}

TEST_F(RetryTest, RetryFieldBeforeTheSubscriptionIsKept) {
  // The subscription is requested only after the event has been read.
  StartServerWithRules(R"(
    {"match": {"method": "GET", "nth": 1}, "steps": ["serve", {"event": {"retry": 170}}]},
    {"match": {"tool": "events_subscribe"}, "steps": [{"wait": 50}, "serve"]})");
  Connect(Options());
  RunUntil([&] { return !sessions_.empty(); });
  server_->EndStreams();
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(delays_.front(), milliseconds(170));
}

TEST_F(RetryTest, RetryFieldCountsOnce) {
  StartServerWithRules(R"(
    {"match": {"method": "GET", "nth": 1}, "steps":
      ["serve", {"event": {"retry": 150}}, {"wait": 50}, "end", "close"]},
    {"match": {"method": "GET", "nth": 2}, "steps": ["serve", {"wait": 50}, "end", "close"]})");
  Connect(Options());
  RunUntil([&] { return failures_.size() == 2; });
  EXPECT_THAT(delays_, ElementsAre(milliseconds(150), QuickOptions().initial_delay));
}

TEST_F(RetryTest, RetryAfterIsHonoured) {
  ConnectionOptions options = Options();
  options.max_delay = std::chrono::seconds(5);
  StartServerWithScript("overloaded.json");
  Connect(options);
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(delays_.front(), std::chrono::seconds(1));
}

TEST_F(RetryTest, RetryAfterInSecondsIsBounded) { EXPECT_EQ(DelayAfter503("3600"), kLongestDelay); }

TEST_F(RetryTest, NegativeRetryAfterIsBounded) { EXPECT_EQ(DelayAfter503("-5"), kShortest); }

TEST_F(RetryTest, HugeRetryAfterIsBounded) {
  EXPECT_EQ(DelayAfter503("99999999999999999999999999"), kLongestDelay);
}

TEST_F(RetryTest, RetryAfterMayBeADate) {
  EXPECT_EQ(DelayAfter503("Fri, 31 Dec 2100 23:59:59 GMT"), kLongestDelay);
}

TEST_F(RetryTest, RetryAfterInThePastIsBounded) {
  EXPECT_EQ(DelayAfter503("Sun, 06 Nov 1994 08:49:37 GMT"), kShortest);
}

TEST_F(RetryTest, UnreadableRetryAfterIsIgnored) {
  EXPECT_EQ(DelayAfter503("soon"), QuickOptions().initial_delay);
}

TEST_F(RetryTest, TooManyRequestsIsAServerErrorWithItsDelay) {
  StartServerWithRules(
      R"({"steps": [{"respond": {"status": 429, "headers": {"Retry-After": "0"}}}]})");
  Connect(Options());
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "server");
  EXPECT_EQ(delays_.front(), kShortest);
}

}  // namespace
}  // namespace runner::ingest
