// What happened while nobody was subscribed is looked for afterwards.

#include <chrono>
#include <string>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class McpBackfillTest : public McpSessionTest {
 protected:
  McpBackfillTest() { Renew(BackfillOptions()); }

  static McpSessionOptions BackfillOptions() {
    McpSessionOptions options = Options();
    options.backfill = true;
    return options;
  }
  // Subscribed again after a gap of a minute; the listing is under way.
  void ComeBack() {
    Subscribe();
    StreamEnds();
    Pass(seconds(60));
    Do(session_->Resume(now_));
    StreamAnswers(StreamHead());
    ReplyTool("- sub-1");
    ASSERT_EQ(Count<Subscribed>(), 1u);
    ASSERT_EQ(Tool(), "events_list");
  }
};

TEST_F(McpBackfillTest, FirstSubscriptionHasNoGap) {
  Subscribe();
  EXPECT_EQ(Count<PostMessage>(), 0u);
}

TEST_F(McpBackfillTest, ClosingASessionBeginsAGapForTheNext) {
  Subscribe();
  Pass(seconds(20));
  Do(session_->Close(now_));
  EXPECT_TRUE(history_.HasGap());
}

TEST_F(McpBackfillTest, EventsOfAGapAreListedOnce) {
  ComeBack();
  ReplyTool(Listed("before", seconds(600)) + Listed("inside", seconds(30)));
  const DeliverEvent event = Only<DeliverEvent>();
  EXPECT_TRUE(event.backfilled);
  const auto fault = std::get<FaultEvent>(event.event);
  EXPECT_EQ(fault.resource.name, "inside");
  EXPECT_EQ(fault.fault_type, "CrashLoop") << "as the server would have called it";
  EXPECT_EQ(Count<PostMessage>(), 0u);
  StreamEnds();
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  EXPECT_EQ(Tool(), "events_list");
  ReplyTool(Listed("inside", seconds(30)));
  EXPECT_EQ(Count<DeliverEvent>(), 0u);
}

TEST_F(McpBackfillTest, UnknownReasonIsKept) {
  ComeBack();
  ReplyTool(Listed("inside", seconds(30), "FailedMount"));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).fault_type, "FailedMount");
}

TEST_F(McpBackfillTest, NewSessionBackfillsTheGapOfTheOld) {
  Subscribe();
  Pass(seconds(10));
  StreamEnds();
  Pass(seconds(100));
  Renew(BackfillOptions());
  Subscribe();
  EXPECT_EQ(Tool(), "events_list");
  ReplyTool(Listed("inside", seconds(50)));
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
}

TEST_F(McpBackfillTest, MissingSubscriptionIsAGapSinceItWasLastProved) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ReplyTool("none");
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("none");
  EXPECT_EQ(Tool(), "events_subscribe");
  ReplyTool(Created("sub-2"));
  EXPECT_EQ(Tool(), "events_list");
  ReplyTool(Listed("inside", seconds(20)));
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
}

TEST_F(McpBackfillTest, ReplayedStreamHasNoGap) {
  Subscribe();
  StreamEnds({}, "ev-1");
  Pass(seconds(60));
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  EXPECT_EQ(Count<Subscribed>(), 1u);
  EXPECT_EQ(Count<PostMessage>(), 0u) << "the server has replayed it";
}

TEST_F(McpBackfillTest, ReplayedStreamKeepsAnEarlierGap) {
  Subscribe();
  Pass(seconds(10));
  StreamEnds(FailureOf(ErrorClass::kNetwork), "ev-1");
  Pass(seconds(60));
  Renew(BackfillOptions());
  Subscribe();
  EXPECT_EQ(Tool(), "events_list");
  StreamEnds({}, "ev-2");  // before the list has come
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  EXPECT_EQ(Tool(), "events_list");
}

TEST_F(McpBackfillTest, OnlyFaultsAreBackfilledFromLongBeforeTheStreamEnded) {
  Subscribe();
  Pass(seconds(25));
  StreamEnds();
  Pass(seconds(1));
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  ReplyTool(Listed("noise", seconds(20), "Unhealthy") + Listed("swallowed", seconds(20)));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).resource.name, "swallowed");
}

TEST_F(McpBackfillTest, AnsweredChecksDoNotHideAMuteStream) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ReplyTool("- sub-1");
  Pass(seconds(20));
  StreamEnds();
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  ReplyTool(Listed("swallowed", seconds(40)));
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
}

TEST_F(McpBackfillTest, ServerWithoutTheListToolIsNotSentASecondRequest) {
  ComeBack();
  ReplyError(-32602, "unknown tool");
  EXPECT_EQ(Tool(), "events_list") << "once more, without a selector";
  ReplyError(-32602, "unknown tool");
  EXPECT_THAT(Only<McpWarning>().message, HasSubstr("lost"));
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  StreamEnds();
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  EXPECT_EQ(Count<PostMessage>(), 0u);
}

TEST_F(McpBackfillTest, FailedBackfillIsRetriedWhilePushesReplaceChecks) {
  ComeBack();
  PostHead(Head(503));
  for (int i = 0; i < 3; ++i) {
    Pass(seconds(10));
    OnStream(FaultNotification("pushed-" + std::to_string(i)));
    EXPECT_EQ(Count<PostMessage>(), 0u);
  }
  Timer();
  EXPECT_EQ(Tool(), "events_list");
  ReplyTool(Listed("inside", seconds(60)));
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
}

// Kubernetes forgets events after an hour by default; its API may be gone for much of that.
TEST_F(McpBackfillTest, FailedBackfillIsRetriedForAnHour) {
  McpSessionOptions options = BackfillOptions();
  options.max_stream_age = {};
  Renew(options);
  ComeBack();
  const MonoTime began = now_.mono;
  int lists = 1;
  PostHead(Head(503));
  while (Count<McpWarning>() == 0 && now_.mono - began < std::chrono::hours(3)) {
    Pass(seconds(10));
    Timer();
    if (Count<PostMessage>() == 1 && Tool() == "events_list_subscriptions") ReplyTool("- sub-1");
    if (Count<PostMessage>() == 1 && Tool() == "events_list") {
      ++lists;
      PostHead(Head(503));
    }
    ASSERT_EQ(Count<ConnectionLost>(), 0u) << "the subscription stands";
  }
  EXPECT_EQ(Only<McpWarning>().message, "Events of a gap are lost");
  EXPECT_GT(now_.mono - began, std::chrono::hours(1));
  EXPECT_EQ(lists, 20);
}

TEST_F(McpBackfillTest, BackfillCanBeTurnedOff) {
  Renew(Options());
  Subscribe();
  StreamEnds();
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  EXPECT_EQ(Count<PostMessage>(), 0u);
}

TEST_F(McpBackfillTest, RenewedStreamBackfillsOnlyFaults) {
  Subscribe();
  for (int i = 0; i < 120 && Count<OpenStream>() == 0; ++i) {
    Pass(seconds(30));
    Timer();
    if (Count<PostMessage>() > 0) ReplyTool("- sub-1");
  }
  ASSERT_EQ(Count<OpenStream>(), 1u);
  StreamAnswers(StreamHead());
  ReplyTool("- sub-1");
  EXPECT_EQ(Tool(), "events_list");
  ReplyTool(Listed("swallowed", seconds(900)) + Listed("noise", seconds(800), "Unhealthy"));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).resource.name, "swallowed");
}

}  // namespace
}  // namespace runner::ingest
