// Event streams that break, crawl, flood and lie: what a connection makes of them.

#include <chrono>
#include <cstddef>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"
#include "tests/integration/mcp/resident_memory.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr std::size_t kMiB = 1024 * 1024;

class HostileStreamTest : public ConnectionTest {
 protected:
  // The first stream is served, then these steps follow.
  void ServeStreamThen(const std::string& steps) {
    StartServerWithRules(R"({"match": {"method": "GET", "nth": 1}, "steps": ["serve", )" + steps +
                         "]}");
    Connect();
  }
  // The error of the only failure so far.
  std::string OnlyError() const {
    EXPECT_EQ(failures_.size(), 1u);
    return failures_.empty() ? "" : std::string(ToString(failures_.back().error));
  }
  void ExpectFaultsStillCome() {
    RunUntil([&] { return !sessions_.empty(); });
    const std::size_t before = names_.size();
    EXPECT_EQ(server_->Publish(), 1u);
    RunUntil([&] { return names_.size() > before; });
  }
};

TEST_F(HostileStreamTest, ResetInMidEventIsRetriedAndTheEventDropped) {
  StartServerWithScript("reset-mid-event.json");
  Connect();
  RunUntil([&] { return failures_.size() == 1 && sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "network");
  EXPECT_EQ(sessions_[0], sessions_[1]) << "the session goes on";
  EXPECT_TRUE(names_.empty());
  EXPECT_TRUE(invalid_.empty());
  ExpectFaultsStillCome();
}

TEST_F(HostileStreamTest, StreamCutInMidChunkIsANetworkError) {
  ServeStreamThen(R"({"wait": 50}, {"send": "400\r\ndata: {"}, "close")");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "network");
  EXPECT_TRUE(names_.empty());
}

TEST_F(HostileStreamTest, StreamThatEndsInMidEventDropsTheEvent) {
  ServeStreamThen(R"({"wait": 50}, {"write": "data: {\"jsonrpc\":\"2.0\"}"}, "end", "close")");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "stream_closed");
  EXPECT_TRUE(names_.empty());
  EXPECT_TRUE(invalid_.empty());
}

TEST_F(HostileStreamTest, ResetOfASilentStreamIsRetriedInTheSameSession) {
  ServeStreamThen(R"({"wait": 50}, "reset")");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "network");
  EXPECT_EQ(sessions_[0], sessions_[1]);
  ExpectFaultsStillCome();
}

TEST_F(HostileStreamTest, SlowCloseIsRetriedAtOnce) {
  ServeStreamThen(R"({"wait": 50}, "half_close", "stall")");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "network") << "the last chunk is missing";
  ExpectFaultsStillCome();
}

TEST_F(HostileStreamTest, GarbageBetweenChunksIsANetworkError) {
  ServeStreamThen(R"({"wait": 50}, {"send": "no chunk at all\r\n"}, "stall")");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "network") << "libcurl reports it like a reset";
}

TEST_F(HostileStreamTest, ChunksAndSegmentsOfOneByteChangeNothing) {
  ServeStreamThen(R"({"chunk": 1}, {"pace": {"bytes": 1}}, {"flood": {"count": 3}})");
  RunUntil([&] { return names_.size() == 3; });
  EXPECT_THAT(names_, ElementsAre("pod-1", "pod-2", "pod-3"));
  EXPECT_TRUE(failures_.empty());
  EXPECT_TRUE(invalid_.empty());
}

TEST_F(HostileStreamTest, SlowLorisEventArrivesWhole) {
  StartServerWithScript("slow-loris.json");
  Connect();
  RunUntil([&] { return names_.size() == 1; });
  EXPECT_TRUE(failures_.empty());
}

TEST_F(HostileStreamTest, EndlessLineIsCutAtTheBound) {
  const std::size_t before = ResidentMemory();
  StartServerWithScript("line-without-end.json");
  Connect();
  RunUntil([&] { return !failures_.empty(); });
  // The line may be over the bound before the subscription is there.
  const std::size_t subscribed = sessions_.size();
  RunUntil([&] { return sessions_.size() == subscribed + 1; });
  EXPECT_THAT(invalid_, ElementsAre("oversize"));
  EXPECT_EQ(OnlyError(), "protocol");
  ExpectFaultsStillCome();
  EXPECT_LT(ResidentMemory(), before + 16 * kMiB);
}

TEST_F(HostileStreamTest, EventOfManyLinesIsCutAtTheBound) {
  const std::size_t before = ResidentMemory();
  ServeStreamThen(R"({"repeat": {"times": 16, "steps": [
                        {"write": "data: "}, {"fill": {"bytes": 1000000}}, {"write": "\n"}]}},
                     {"write": "\n"}, {"flood": {"count": 1}})");
  RunUntil([&] { return names_.size() == 1; });
  EXPECT_THAT(invalid_, ElementsAre("oversize"));
  EXPECT_TRUE(failures_.empty());
  EXPECT_LT(ResidentMemory(), before + 24 * kMiB);
}

TEST_F(HostileStreamTest, EndlessCommentsDoNotGrowMemory) {
  const std::size_t before = ResidentMemory();
  ServeStreamThen(R"({"fill": {"bytes": 16000000, "with": ":keep alive\n\n"}}, {"write": "\n\n"},
                     {"flood": {"count": 1}})");
  RunUntil([&] { return names_.size() == 1; });
  EXPECT_TRUE(invalid_.empty());
  EXPECT_TRUE(failures_.empty());
  EXPECT_LT(ResidentMemory(), before + 16 * kMiB);
}

TEST_F(HostileStreamTest, GarbageInEventsIsRejectedAndKeepsTheStream) {
  ServeStreamThen(R"({"write": "data: \u0000\u00ff\u00fe{]\n\n"},
                     {"write": "data: {\"a\":\"\u00c3\u0028\"}\n\n"},
                     {"write": "\u0000\u0001\u0002: \r\r\r\n\u0007\n\n"},
                     {"event": {"event": "other", "data": "not JSON"}},
                     {"event": {"data": "{\"jsonrpc\":\"2.0\",\"method\":7}"}},
                     {"flood": {"count": 1}})");
  RunUntil([&] { return names_.size() == 1; });
  EXPECT_EQ(invalid_.size(), 3u) << "events of another type are none";
  EXPECT_THAT(invalid_, Each("json"));
  EXPECT_TRUE(failures_.empty());
  ExpectFaultsStillCome();
}

TEST_F(HostileStreamTest, DeepJsonIsRejectedAndKeepsTheStream) {
  ServeStreamThen(R"({"write": "data: "}, {"fill": {"bytes": 900000, "with": "["}},
                     {"write": "\n\ndata: "}, {"fill": {"bytes": 900000, "with": "{\"a\":"}},
                     {"write": "\n\n"}, {"flood": {"count": 1}})");
  RunUntil([&] { return names_.size() == 1; });
  EXPECT_THAT(invalid_, ElementsAre("json", "json"));
  EXPECT_TRUE(failures_.empty());
}

TEST_F(HostileStreamTest, ThirtyThousandFaultsAtOnceAllArrive) {
  const std::size_t before = ResidentMemory();
  ServeStreamThen(R"({"flood": {"count": 30000}})");
  RunUntil([&] { return names_.size() == 30'000; });
  EXPECT_EQ(names_.back(), "pod-30000");
  EXPECT_TRUE(invalid_.empty());
  EXPECT_LT(ResidentMemory(), before + 48 * kMiB) << "the names alone are some";
}

TEST_F(HostileStreamTest, FloodIsHeldBackWhilePausedAndNothingIsLost) {
  constexpr std::size_t kFaults = 10'000;
  ServeStreamThen(R"({"flood": {"count": 10000}})");
  RunUntil([&] { return !names_.empty(); });
  paused_ = true;
  const std::size_t at_pause = names_.size();
  std::size_t while_paused = 0;
  event_loop_.After(milliseconds(100), [&] {
    while_paused = names_.size();
    paused_ = false;
    http_.Resume();
  });
  RunUntil([&] { return names_.size() == kFaults; });
  EXPECT_EQ(while_paused, at_pause);
  EXPECT_LT(while_paused, kFaults);
  EXPECT_EQ(names_.back(), "pod-10000");
}

TEST_F(HostileStreamTest, FrozenServerIsNoticedByTheCheck) {
  ping_interval_ = milliseconds(50);
  StartServerWithScript("frozen.json");
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(100);
  Connect(options);
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(OnlyError(), "timeout");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_NE(sessions_[0], sessions_[1]) << "built anew";
}

TEST_F(HostileStreamTest, StreamThatNeverOpensTimesOut) {
  StartServerWithRules(R"({"match": {"method": "GET", "nth": 1}, "steps": ["stall"]})");
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(100);
  Connect(options);
  RunUntil([&] { return sessions_.size() == 1; });
  EXPECT_EQ(OnlyError(), "timeout");
}

TEST_F(HostileStreamTest, CompressedStreamIsAProtocolError) {
  StartServerWithRules(R"({"match": {"method": "GET", "nth": 1}, "steps": [
      {"stream": {"headers": {"Content-Encoding": "gzip"}}}, {"fill": {}}]})");
  Connect();
  RunUntil([&] { return sessions_.size() == 1; });
  EXPECT_EQ(OnlyError(), "protocol");
}

TEST_F(HostileStreamTest, HeldStreamIsRetriedInANewSession) {
  StartServerWithRules(
      R"({"match": {"method": "GET", "nth": 1}, "steps": [{"respond": {"status": 409}}]})");
  Connect();
  RunUntil([&] { return sessions_.size() == 1; });
  EXPECT_EQ(OnlyError(), "protocol");
  EXPECT_EQ(server_->Requests("DELETE"), 1);
}

TEST_F(HostileStreamTest, ServerWithoutAStreamIsRetriedSlowly) {
  StartServerWithRules(
      R"({"match": {"method": "GET", "nth": 1}, "steps": [{"respond": {"status": 405}}]})");
  Connect();
  RunUntil([&] { return sessions_.size() == 1; });
  EXPECT_EQ(OnlyError(), "protocol");
  EXPECT_THAT(delays_, ElementsAre(QuickOptions().max_delay));
}

TEST_F(HostileStreamTest, RefusedLastEventIdIsDropped) {
  ServeStreamThen(R"({"wait": 50}, {"event": {"id": "7", "data": ""}}, "end", "close")");
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(OnlyError(), "stream_closed");
  EXPECT_EQ(sessions_[0], sessions_[1]);
  int with_id = 0;
  for (const auto& request : server_->requests()) {
    with_id += request.Header("last-event-id") ? 1 : 0;
  }
  EXPECT_EQ(with_id, 1) << "the server, which has no event store, refused it";
  EXPECT_EQ(server_->Requests("GET"), 3);
  ExpectFaultsStillCome();
}

}  // namespace
}  // namespace runner::ingest
