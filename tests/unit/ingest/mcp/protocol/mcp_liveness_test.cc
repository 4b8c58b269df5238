// How a session finds out that its stream is dead although nothing says so.

#include <chrono>

#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class McpLivenessTest : public McpSessionTest {
 protected:
  void Activity(std::uint64_t comments, std::uint64_t events = 0, bool mid_event = false) {
    Do(session_->OnActivity({comments, events, mid_event}, now_));
  }
  // Lets time pass second by second, the checks answered; whether the stream was given up.
  bool LostWithin(Duration time) {
    for (const MonoTime end = now_.mono + time; now_.mono < end;) {
      Pass(seconds(1));
      Timer();
      if (Count<ConnectionLost>() > 0) return true;
      if (Count<OpenStream>() > 0) return false;
      if (Count<PostMessage>() > 0) ReplyTool(kListed);
    }
    return false;
  }
};

TEST_F(McpLivenessTest, StreamThatStopsItsKeepalivesIsLost) {
  Subscribe();
  Activity(1);
  Pass(seconds(15));
  Activity(2);
  EXPECT_FALSE(LostWithin(seconds(89)));
  EXPECT_TRUE(LostWithin(seconds(1)));
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
  EXPECT_TRUE(Resumable());
}

TEST_F(McpLivenessTest, KeepalivesKeepTheStream) {
  Subscribe();
  for (std::uint64_t i = 1; i < 20; ++i) {
    Activity(i);
    EXPECT_FALSE(LostWithin(seconds(60)));
  }
}

TEST_F(McpLivenessTest, OneCommentPromisesNoKeepalives) {
  Subscribe();
  Activity(1);
  EXPECT_FALSE(LostWithin(minutes(10)));
}

TEST_F(McpLivenessTest, StreamWithOneCommentIsRenewed) {
  Subscribe();
  Activity(1);
  EXPECT_FALSE(LostWithin(minutes(31)));
  EXPECT_EQ(Count<OpenStream>(), 1u);
}

TEST_F(McpLivenessTest, KeepalivesDoNotReplaceTheCheckOfTheSubscription) {
  Subscribe();
  bool checked = false;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    Pass(seconds(10));
    Activity(i);
    Timer();
    checked = checked || Count<PostMessage>() > 0;
  }
  EXPECT_TRUE(checked);
}

TEST_F(McpLivenessTest, EventOverTheIdleTimeoutEndsTheStream) {
  Subscribe();
  Activity(0, 0, true);
  for (int i = 0; i < 89; ++i) {
    EXPECT_FALSE(LostWithin(seconds(1)));
    Activity(0, 0, true);  // a byte a second
  }
  EXPECT_TRUE(LostWithin(seconds(1)));
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
}

TEST_F(McpLivenessTest, CompleteEventsKeepTheStream) {
  Subscribe();
  for (std::uint64_t i = 1; i < 10; ++i) {
    Activity(0, i, true);  // the next one has begun
    EXPECT_FALSE(LostWithin(seconds(60)));
  }
}

TEST_F(McpLivenessTest, MuteStreamIsRenewedAndVerified) {
  Subscribe();
  EXPECT_FALSE(LostWithin(minutes(31)));
  ASSERT_EQ(Count<OpenStream>(), 1u);
  EXPECT_EQ(Count<CloseStream>(), 1u);
  EXPECT_EQ(Count<ConnectionLost>(), 0u) << "nothing has failed";
  StreamAnswers(StreamHead());
  EXPECT_EQ(Tool(), "events_list_subscriptions");
  ReplyTool(kListed);
  EXPECT_TRUE(actions_.empty()) << "it was subscribed all the time";
}

TEST_F(McpLivenessTest, RenewalCanBeTurnedOff) {
  McpSessionOptions options = Options();
  options.max_stream_age = Duration::zero();
  Renew(options);
  Subscribe();
  EXPECT_FALSE(LostWithin(minutes(120)));
  EXPECT_EQ(Count<OpenStream>(), 0u);
}

TEST_F(McpLivenessTest, StreamThatCannotBeRenewedIsLost) {
  Subscribe();
  EXPECT_FALSE(LostWithin(minutes(31)));
  StreamAnswers(Head(503));
  EXPECT_EQ(Failure().error, ErrorClass::kServer);
}

TEST_F(McpLivenessTest, EndlessLineEndsTheStreamAndIsNotReplayed) {
  Subscribe();
  StreamEnds({}, "ev-1");
  Do(session_->Resume(now_));
  StreamAnswers(StreamHead());
  ReplyTool(kListed);
  Do(session_->OnEndlessLine(now_));
  EXPECT_EQ(std::get<InvalidEvent>(Only<DeliverEvent>().event).reason, "oversize");
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
  EXPECT_TRUE(Resumable());
  Do(session_->Resume(now_));
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Last-Event-ID"), "");
}

}  // namespace
}  // namespace runner::ingest
