// What the connection tells an event source of a stream, and does for it.

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

// What a source was told.
struct Told {
  std::vector<std::size_t> messages;  // of the stream: their sizes
  std::vector<std::size_t> replies;   // to a POST: their sizes
  std::vector<std::optional<std::string>> endpoints;
  std::vector<StreamActivity> pulses;
  int endless = 0;
  int oversize = 0;
  bool stream_done = false;
};

// Does one thing at the start and then only listens.
class ListeningSource final : public McpProtocol {
 public:
  ListeningSource(SourceAction first, Told& told, std::function<void()> changed)
      : first_(std::move(first)), last_reported_(told), changed_(std::move(changed)) {}

  SourceActions Start(const Instant&) override { return {first_}; }
  SourceActions Resume(const Instant&) override { return {}; }
  SourceActions Close(const Instant&) override { return {}; }
  void OnListedEvents(EventList) override {}
  SourceActions OnMessage(std::string_view text, MessageOrigin origin, const Instant&) override {
    (origin == MessageOrigin::kStream ? last_reported_.messages : last_reported_.replies)
        .push_back(text.size());
    return Changed();
  }
  SourceActions OnOversize() override {
    ++last_reported_.oversize;
    return Changed();
  }
  SourceActions OnEndlessLine(const Instant&) override {
    ++last_reported_.endless;
    changed_();
    return {CloseStream{}};
  }
  SourceActions OnEndpoint(const std::optional<std::string>& url, const Instant&) override {
    last_reported_.endpoints.push_back(url);
    changed_();
    if (!url) return {};
    return {PostMessage{1, "{}", {}, *url}};
  }
  SourceActions OnActivity(const StreamActivity& pulse, const Instant&) override {
    last_reported_.pulses.push_back(pulse);
    return Changed();
  }
  SourceActions OnPostHead(PostId, const HttpHead&, const Instant&) override { return {}; }
  SourceActions OnPostDone(PostId, const std::optional<ConnectionFailure>&,
                           const Instant&) override {
    return {};
  }
  SourceActions OnStreamHead(const HttpHead&, const Instant&) override { return {}; }
  SourceActions OnStreamDone(const std::optional<ConnectionFailure>&, const std::string&,
                             const Instant&) override {
    last_reported_.stream_done = true;
    return Changed();
  }
  SourceActions OnTimer(const Instant&) override { return {}; }
  std::optional<MonoTime> NextDeadline() const override { return std::nullopt; }
  bool Awaits(PostId) const override { return false; }

 private:
  SourceActions Changed() {
    changed_();
    return {};
  }

  const SourceAction first_;
  Told& last_reported_;
  const std::function<void()> changed_;
};

class SourceSeamTest : public ConnectionTest {
 protected:
  // The stream consists of these steps.
  void Listen(const std::string& steps, bool carries_replies = false) {
    StartServerWithRules(R"({"match": {"method": "GET"}, "steps": ["stream", )" + steps + "]}");
    Start(OpenStream{{}, carries_replies});
  }
  void Start(const SourceAction& first) {
    ConnectWith(QuickOptions(), [this, first](const ConnectionOptions&, EventHistory&) {
      return std::make_unique<ListeningSource>(first, last_reported_, [this] { Changed(); });
    });
  }
  std::string Origin() const { return "http://" + server_->address(); }

  Told last_reported_;
};

TEST_F(SourceSeamTest, TheEndpointIsResolvedAndPostedTo) {
  Listen(R"({"event": {"event": "endpoint", "data": "/message?sessionId=1"}}, "stall")");
  RunUntil([&] { return server_->Requests("POST") == 1 || last_reported_.stream_done; });
  EXPECT_THAT(last_reported_.endpoints, ElementsAre(Optional(Origin() + "/message?sessionId=1")));
  EXPECT_THAT(last_reported_.messages, IsEmpty()) << "it is no message";
}

TEST_F(SourceSeamTest, AnEndpointOfAnotherOriginIsRefused) {
  LoopbackServer elsewhere(event_loop_, clock_, "127.0.0.1:0");
  Listen(R"({"event": {"event": "endpoint", "data": "http://)" + elsewhere.address() +
         R"(/message"}}, {"event": {"event": "endpoint", "data": ""}}, {"event": {"data": "x"}})");
  RunUntil([&] { return last_reported_.stream_done; });
  EXPECT_THAT(last_reported_.endpoints, ElementsAre(Eq(std::nullopt), Eq(std::nullopt)));
  EXPECT_THAT(last_reported_.messages, ElementsAre(1u)) << "the stream goes on";
  EXPECT_THAT(elsewhere.requests(), IsEmpty());
  TearDown();  // before `elsewhere`, which is of the same loop
}

TEST_F(SourceSeamTest, EventsOfOtherTypesAreNoMessages) {
  Listen(
      R"({"event": {"event": "ping", "data": "1"}}, {"event": {"event": "message", "data": "22"}},
            {"event": {"data": "333"}}, {"event": {"event": "Message", "data": "4444"}})");
  RunUntil([&] { return last_reported_.stream_done; });
  EXPECT_THAT(last_reported_.messages, ElementsAre(2u, 3u));
}

TEST_F(SourceSeamTest, ThePulseTellsCommentsEventsAndWhatIsUnfinished) {
  Listen(R"({"comment": "keepalive"}, {"wait": 20}, {"event": {"data": "1"}}, {"wait": 20},
            {"write": "data: hal"}, {"wait": 20}, {"write": "f\n\n"})");
  RunUntil([&] { return last_reported_.stream_done; });
  ASSERT_GE(last_reported_.pulses.size(), 4u);
  EXPECT_EQ(last_reported_.pulses[0].comments, 1u);
  EXPECT_EQ(last_reported_.pulses[0].events, 0u);
  EXPECT_FALSE(last_reported_.pulses[0].mid_event);
  EXPECT_EQ(last_reported_.pulses[1].events, 1u);
  EXPECT_TRUE(last_reported_.pulses[2].mid_event);
  EXPECT_EQ(last_reported_.pulses[2].events, 1u);
  EXPECT_EQ(last_reported_.pulses.back().events, 2u);
  EXPECT_FALSE(last_reported_.pulses.back().mid_event);
}

TEST_F(SourceSeamTest, Row6_EndlessLineIsToldOnceAndNothingAfterTheStreamWasClosed) {
  Listen(R"({"write": "data: "}, {"fill": {"bytes": 33554432}}, {"write": "\n\n"},
            {"event": {"data": "1"}})");
  RunUntil([&] { return last_reported_.endless > 0; });
  bool later = false;
  event_loop_.After(std::chrono::milliseconds(100), [&] {
    later = true;
    Changed();
  });
  RunUntil([&] { return later; });
  EXPECT_EQ(last_reported_.endless, 1);
  EXPECT_EQ(last_reported_.oversize, 0);
  EXPECT_THAT(last_reported_.messages, IsEmpty());
  EXPECT_FALSE(last_reported_.stream_done) << "we closed it";
}

const std::string kLargeEvent =
    R"({"write": "data: "}, {"fill": {"bytes": 6000000}}, {"write": "\n\n"})";

TEST_F(SourceSeamTest, AStreamThatCarriesRepliesTakesThemAsLargeAsABody) {
  Listen(kLargeEvent, true);
  RunUntil([&] { return last_reported_.stream_done; });
  EXPECT_THAT(last_reported_.messages, ElementsAre(6'000'000u));
}

TEST_F(SourceSeamTest, SoDoesTheAnswerToAPost) {
  StartServerWithRules(R"({"match": {"method": "POST"}, "steps": ["stream", )" + kLargeEvent +
                       R"(, "end"]})");
  Start(PostMessage{1, "{}", {}, ""});
  RunUntil([&] { return !last_reported_.replies.empty(); });
  EXPECT_THAT(last_reported_.replies, ElementsAre(6'000'000u));
}

}  // namespace
}  // namespace runner::ingest
