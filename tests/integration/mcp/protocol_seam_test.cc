// What the connection reports of a stream to a protocol, and does for it.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Optional;

// What a protocol has received.
struct Received {
  std::vector<std::size_t> messages;  // of the stream: their sizes
  std::vector<std::size_t> replies;   // to a POST: their sizes
  std::vector<std::optional<std::string>> endpoints;
  std::vector<StreamActivity> activities;
  int endless = 0;
  int oversize = 0;
  bool stream_done = false;
};

// Does one action at the start and only records afterwards.
class ListeningProtocol final : public McpProtocol {
 public:
  ListeningProtocol(McpAction first, Received& received, std::function<void()> changed)
      : first_(std::move(first)), received_(received), changed_(std::move(changed)) {}

  McpActions Start(const Instant&) override { return {first_}; }
  McpActions Resume(const Instant&) override { return {}; }
  McpActions Close(const Instant&) override { return {}; }
  void OnListedEvents(EventList) override {}
  McpActions OnMessage(std::string_view text, MessageOrigin origin, const Instant&) override {
    (origin == MessageOrigin::kStream ? received_.messages : received_.replies)
        .push_back(text.size());
    return Changed();
  }
  McpActions OnOversize() override {
    ++received_.oversize;
    return Changed();
  }
  McpActions OnEndlessLine(const Instant&) override {
    ++received_.endless;
    changed_();
    return {CloseStream{}};
  }
  McpActions OnEndpoint(const std::optional<std::string>& url, const Instant&) override {
    received_.endpoints.push_back(url);
    changed_();
    if (!url) return {};
    return {PostMessage{1, "{}", {}, *url}};
  }
  McpActions OnActivity(const StreamActivity& activity, const Instant&) override {
    received_.activities.push_back(activity);
    return Changed();
  }
  McpActions OnPostHead(PostId, const HttpHead&, const Instant&) override { return {}; }
  McpActions OnPostDone(PostId, const std::optional<ConnectionFailure>&, const Instant&) override {
    return {};
  }
  McpActions OnStreamHead(const HttpHead&, const Instant&) override { return {}; }
  McpActions OnStreamDone(const std::optional<ConnectionFailure>&, const std::string&,
                          const Instant&) override {
    received_.stream_done = true;
    return Changed();
  }
  McpActions OnTimer(const Instant&) override { return {}; }
  std::optional<MonoTime> NextDeadline() const override { return std::nullopt; }
  bool Awaits(PostId) const override { return false; }

 private:
  McpActions Changed() {
    changed_();
    return {};
  }

  const McpAction first_;
  Received& received_;
  const std::function<void()> changed_;
};

class ProtocolSeamTest : public ConnectionTest {
 protected:
  // The stream consists of these steps.
  void Listen(const std::string& steps, bool carries_replies = false) {
    StartServerWithRules(R"({"match": {"method": "GET"}, "steps": ["stream", )" + steps + "]}");
    Start(OpenStream{{}, carries_replies});
  }
  void Start(const McpAction& first) {
    ConnectWith(QuickOptions(), [this, first](const ConnectionOptions&, EventHistory&) {
      return std::make_unique<ListeningProtocol>(first, received_, [this] { Changed(); });
    });
  }
  std::string Origin() const { return "http://" + server_->address(); }

  Received received_;
};

TEST_F(ProtocolSeamTest, EndpointIsResolvedAndPostedTo) {
  Listen(R"({"event": {"event": "endpoint", "data": "/message?sessionId=1"}}, "stall")");
  RunUntil([&] { return server_->Requests("POST") == 1 || received_.stream_done; });
  EXPECT_THAT(received_.endpoints, ElementsAre(Optional(Origin() + "/message?sessionId=1")));
  EXPECT_THAT(received_.messages, IsEmpty()) << "it is no message";
}

TEST_F(ProtocolSeamTest, EndpointOfAnotherOriginIsRejected) {
  LoopbackServer elsewhere(event_loop_, clock_, "127.0.0.1:0");
  Listen(R"({"event": {"event": "endpoint", "data": "http://)" + elsewhere.address() +
         R"(/message"}}, {"event": {"event": "endpoint", "data": ""}}, {"event": {"data": "x"}})");
  RunUntil([&] { return received_.stream_done; });
  EXPECT_THAT(received_.endpoints, ElementsAre(Eq(std::nullopt), Eq(std::nullopt)));
  EXPECT_THAT(received_.messages, ElementsAre(1u)) << "the stream goes on";
  EXPECT_THAT(elsewhere.requests(), IsEmpty());
  TearDown();  // before `elsewhere`, which is of the same loop
}

TEST_F(ProtocolSeamTest, EventsOfOtherTypesAreNoMessages) {
  Listen(
      R"({"event": {"event": "ping", "data": "1"}}, {"event": {"event": "message", "data": "22"}},
            {"event": {"data": "333"}}, {"event": {"event": "Message", "data": "4444"}})");
  RunUntil([&] { return received_.stream_done; });
  EXPECT_THAT(received_.messages, ElementsAre(2u, 3u));
}

TEST_F(ProtocolSeamTest, ActivityCountsCommentsAndEventsAndShowsAnUnfinishedEvent) {
  Listen(R"({"comment": "keepalive"}, {"wait": 20}, {"event": {"data": "1"}}, {"wait": 20},
            {"write": "data: hal"}, {"wait": 20}, {"write": "f\n\n"})");
  RunUntil([&] { return received_.stream_done; });
  ASSERT_GE(received_.activities.size(), 4u);
  EXPECT_EQ(received_.activities[0].comments, 1u);
  EXPECT_EQ(received_.activities[0].events, 0u);
  EXPECT_FALSE(received_.activities[0].mid_event);
  EXPECT_EQ(received_.activities[1].events, 1u);
  EXPECT_TRUE(received_.activities[2].mid_event);
  EXPECT_EQ(received_.activities[2].events, 1u);
  EXPECT_EQ(received_.activities.back().events, 2u);
  EXPECT_FALSE(received_.activities.back().mid_event);
}

TEST_F(ProtocolSeamTest, EndlessLineIsReportedOnceAndNothingAfterTheStreamIsClosed) {
  Listen(R"({"write": "data: "}, {"fill": {"bytes": 33554432}}, {"write": "\n\n"},
            {"event": {"data": "1"}})");
  RunUntil([&] { return received_.endless > 0; });
  bool later = false;
  event_loop_.After(std::chrono::milliseconds(100), [&] {
    later = true;
    Changed();
  });
  RunUntil([&] { return later; });
  EXPECT_EQ(received_.endless, 1);
  EXPECT_EQ(received_.oversize, 0);
  EXPECT_THAT(received_.messages, IsEmpty());
  EXPECT_FALSE(received_.stream_done) << "we closed it";
}

const std::string kLargeEvent =
    R"({"write": "data: "}, {"fill": {"bytes": 6000000}}, {"write": "\n\n"})";

TEST_F(ProtocolSeamTest, StreamThatCarriesRepliesAcceptsTheSizeOfABody) {
  Listen(kLargeEvent, true);
  RunUntil([&] { return received_.stream_done; });
  EXPECT_THAT(received_.messages, ElementsAre(6'000'000u));
}

TEST_F(ProtocolSeamTest, EventStreamOfAPostAcceptsTheSizeOfABody) {
  StartServerWithRules(R"({"match": {"method": "POST"}, "steps": ["stream", )" + kLargeEvent +
                       R"(, "end"]})");
  Start(PostMessage{1, "{}", {}, ""});
  RunUntil([&] { return !received_.replies.empty(); });
  EXPECT_THAT(received_.replies, ElementsAre(6'000'000u));
}

}  // namespace
}  // namespace runner::ingest
