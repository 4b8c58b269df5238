// A subscribed session: faults, checks, streams that end, and the end of the session.

#include "ingest/mcp/protocol/mcp_session.h"

#include <chrono>
#include <string>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/mcp/protocol/jsonrpc.h"
#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

// --- messages of the server -----------------------------------------------------------------

TEST_F(McpSessionTest, FaultsAreDelivered) {
  Subscribe();
  OnStream(FaultNotification("pod-7"));
  ASSERT_EQ(actions_.size(), 1u);
  const DecodedEvent event = Only<DeliverEvent>().event;
  ASSERT_TRUE(std::holds_alternative<FaultEvent>(event));
  EXPECT_EQ(std::get<FaultEvent>(event).resource.name, "pod-7");
  EXPECT_EQ(std::get<FaultEvent>(event).severity, Severity::kCritical);
  EXPECT_EQ(std::get<FaultEvent>(event).received_at, now_.wall);
}

TEST_F(McpSessionTest, FaultBeforeTheSubscribeReplyIsDelivered) {
  OpenTheStream();
  Reply(Json::object());
  OnStream(FaultNotification());
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
}

TEST_F(McpSessionTest, FaultsInABatchAreAllDelivered) {
  Subscribe();
  OnStream(Json::array({FaultNotification(), "junk", FaultNotification()}));
  EXPECT_EQ(Count<DeliverEvent>(), 3u);
}

TEST_F(McpSessionTest, FaultWithoutDataIsInvalid) {
  Subscribe();
  Json notification = FaultNotification();
  notification["params"].erase("data");
  OnStream(notification);
  EXPECT_EQ(std::get<InvalidEvent>(Only<DeliverEvent>().event).reason, "schema");
}

TEST_F(McpSessionTest, OtherNotificationsAreIgnored) {
  Subscribe();
  Json other = FaultNotification();
  for (const Json& logger : {Json("kubernetes/events"), Json("kubernetes-mcp-server"), Json(5)}) {
    other["params"]["logger"] = logger;
    OnStream(other);
    EXPECT_TRUE(actions_.empty()) << logger;
  }
  other["params"].erase("logger");
  OnStream(other);
  EXPECT_TRUE(actions_.empty());
  OnStream({{"jsonrpc", "2.0"}, {"method", "notifications/message"}, {"params", {1, 2}}});
  EXPECT_TRUE(actions_.empty());
  OnStream({{"jsonrpc", "2.0"}, {"method", "notifications/tools/list_changed"}});
  EXPECT_TRUE(actions_.empty());
}

TEST_F(McpSessionTest, GarbageOnTheStreamIsAnInvalidEvent) {
  Subscribe();
  for (const char* text : {"{", "hello", "[1]", "{\"id\":1}", "\"\xFF\""}) {
    Text(text, MessageOrigin::kStream);
    EXPECT_EQ(std::get<InvalidEvent>(Only<DeliverEvent>().event).reason, "json") << text;
  }
}

TEST_F(McpSessionTest, InvalidBytesAreCountedAndKeepTheSession) {
  Subscribe();
  const std::string fault = FaultNotification("pod").dump();
  const auto with = [&](const std::string& bytes) {
    std::string text = fault;
    return text.replace(text.find("pod"), 3, bytes);
  };
  for (const std::string& bytes : {std::string("\xFF"), std::string(1, '\0'),
                                   std::string("\xC0\xAF"), std::string("\\ud800")}) {
    Text(with(bytes), MessageOrigin::kStream);
    EXPECT_EQ(std::get<InvalidEvent>(Only<DeliverEvent>().event).reason, "json");
    Text(fault, MessageOrigin::kStream);
    EXPECT_TRUE(std::holds_alternative<FaultEvent>(Only<DeliverEvent>().event));
  }
}

TEST_F(McpSessionTest, DuplicateKeyIsAnInvalidEvent) {
  Subscribe();
  const std::string fault = FaultNotification().dump();
  for (const char* key :
       {"jsonrpc", "method", "params", "logger", "data", "faultType", "resource", "kind", "name"}) {
    std::string text = fault;
    const std::string member = '"' + std::string(key) + "\":";
    text.insert(text.find(member), member + "\"x\",");
    Text(text, MessageOrigin::kStream);
    EXPECT_EQ(std::get<InvalidEvent>(Only<DeliverEvent>().event).reason, "json") << key;
  }
  OnStream(FaultNotification());
  EXPECT_TRUE(std::holds_alternative<FaultEvent>(Only<DeliverEvent>().event));
}

TEST_F(McpSessionTest, SessionsOfAThreadShareAReader) {
  McpSessionOptions options = Options();
  options.reader = std::make_shared<JsonRpcReader>();
  Renew(options);
  Subscribe();
  OnStream(FaultNotification("east"));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).resource.name, "east");
  const std::unique_ptr<McpSession> first = std::move(session_);
  Renew(options);
  Subscribe();
  OnStream(FaultNotification("west"));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).resource.name, "west");
  session_.reset();
  Do(first->OnMessage(FaultNotification("east").dump(), MessageOrigin::kStream, now_));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).resource.name, "east");
}

TEST_F(McpSessionTest, EmptyTextIsIgnored) {
  Subscribe();
  Text("", MessageOrigin::kStream);
  EXPECT_TRUE(actions_.empty());
}

TEST_F(McpSessionTest, OversizeIsAnInvalidEvent) {
  Subscribe();
  Do(session_->OnOversize());
  EXPECT_EQ(std::get<InvalidEvent>(Only<DeliverEvent>().event).reason, "oversize");
}

TEST_F(McpSessionTest, PingOfTheServerIsAnsweredWithItsOwnId) {
  Subscribe();
  for (const Json& id : {Json(7), Json("seven")}) {
    OnStream({{"jsonrpc", "2.0"}, {"id", id}, {"method", "ping"}});
    EXPECT_EQ(Posted(), Json({{"jsonrpc", "2.0"}, {"id", id}, {"result", Json::object()}}));
    EXPECT_EQ(Header(Only<PostMessage>().headers, "Mcp-Session-Id"), "s-1");
  }
}

TEST_F(McpSessionTest, OtherRequestsOfTheServerAreRefused) {
  Subscribe();
  OnStream({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "sampling/createMessage"}});
  EXPECT_EQ(Posted()["error"]["code"], -32601);
  EXPECT_EQ(Posted()["id"], 1);
}

TEST_F(McpSessionTest, FailedAnswerToTheServerIsIgnored) {
  Subscribe();
  OnStream({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "ping"}});
  const PostId post = Only<PostMessage>().post;
  EXPECT_TRUE(session_->OnPostHead(post, Head(500), now_).empty());
  EXPECT_TRUE(session_->OnPostDone(post, FailureOf(ErrorClass::kNetwork), now_).empty());
}

// --- checks after silence -------------------------------------------------------------------

TEST_F(McpSessionTest, SubscriptionIsCheckedAfterSilence) {
  Subscribe();
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
  Pass(seconds(20));
  OnStream(FaultNotification());
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
  Pass(seconds(29));
  Timer();
  EXPECT_TRUE(actions_.empty());
  Pass(seconds(1));
  Timer();
  EXPECT_EQ(Tool(), "events_list_subscriptions");
  ReplyTool(kListed);
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
}

TEST_F(McpSessionTest, MissingSubscriptionIsLostAndTheSessionResumable) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ReplyTool("# Subscriptions\n[]");
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
  EXPECT_TRUE(Resumable());
  EXPECT_EQ(Count<CloseStream>(), 1u);
  EXPECT_EQ(Count<DeleteSession>(), 0u);
}

TEST_F(McpSessionTest, LongerIdIsAnotherSubscription) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ReplyTool("# Subscriptions\n- subscriptionId: sub-12 (faults)\n");
  EXPECT_EQ(Count<ConnectionLost>(), 1u);
}

TEST_F(McpSessionTest, ServerThatCannotListSubscriptionsIsPinged) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ReplyError(-32602, "unknown tool");
  EXPECT_TRUE(actions_.empty());
  Pass(seconds(30));
  Timer();
  EXPECT_EQ(Method(), "ping");
  Reply(Json::object());
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
}

TEST_F(McpSessionTest, TwoUnansweredChecksEndTheSession) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  const auto first = request_id_;
  Pass(seconds(10));
  Timer();
  ASSERT_EQ(Count<ConnectionLost>(), 0u);
  ASSERT_EQ(Count<PostMessage>(), 2u);
  const Json cancelled = Json::parse(All<PostMessage>()[0].body);
  EXPECT_EQ(cancelled["method"], "notifications/cancelled");
  EXPECT_EQ(cancelled["params"]["requestId"], first);
  EXPECT_NE(request_id_, first);
  Pass(seconds(10));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
  EXPECT_FALSE(Resumable());
  EXPECT_EQ(Count<CloseStream>(), 1u);
  EXPECT_EQ(Count<DeleteSession>(), 1u);
}

TEST_F(McpSessionTest, AnsweredCheckResetsTheFailures) {
  Subscribe();
  for (int i = 0; i < 3; ++i) {
    Pass(seconds(30));
    Timer();
    Pass(seconds(10));
    Timer();
    ReplyTool(kListed);
    EXPECT_TRUE(actions_.empty());
  }
}

TEST_F(McpSessionTest, SecondFailedCheckEndsTheSession) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  PostHead(Head(503));
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
  Pass(seconds(30));
  Timer();
  EXPECT_EQ(Tool(), "events_list_subscriptions");
  PostHead(Head(503));
  EXPECT_EQ(Failure().error, ErrorClass::kServer);
  EXPECT_FALSE(Resumable());
}

TEST_F(McpSessionTest, ToolThatFailsOnceIsCalledAgain) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ReplyTool("apiserver timeout", true);
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  Pass(seconds(30));
  Timer();
  EXPECT_EQ(Tool(), "events_list_subscriptions");
  ReplyTool("# Subscriptions\n[]");
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription) << "the loss is noticed all the same";
}

TEST_F(McpSessionTest, CheckOfAForgottenSessionEndsIt) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  PostHead(Head(404));
  EXPECT_EQ(Failure().error, ErrorClass::kSessionExpired);
  EXPECT_FALSE(Resumable());
  EXPECT_EQ(Count<DeleteSession>(), 0u);
}

// --- streams that end -----------------------------------------------------------------------

TEST_F(McpSessionTest, EndOfTheStreamIsResumable) {
  Subscribe();
  StreamEnds();
  EXPECT_EQ(Failure().error, ErrorClass::kStreamClosed);
  EXPECT_TRUE(Resumable());
  EXPECT_EQ(Count<DeleteSession>(), 0u);
  EXPECT_EQ(session_->NextDeadline(), std::nullopt);
}

TEST_F(McpSessionTest, BrokenStreamKeepsItsErrorClass) {
  Subscribe();
  StreamEnds(FailureOf(ErrorClass::kNetwork, "reset"));
  EXPECT_EQ(Failure().error, ErrorClass::kNetwork);
  EXPECT_TRUE(Resumable());
}

TEST_F(McpSessionTest, CheckUnderWayEndsWithTheStream) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  const PostId check = request_post_;
  StreamEnds();
  EXPECT_EQ(Only<CancelPost>().post, check);
}

TEST_F(McpSessionTest, ReopenedStreamIsVerifiedBeforeItIsReported) {
  Reopen();
  ASSERT_EQ(actions_.size(), 1u);
  EXPECT_EQ(Tool(), "events_list_subscriptions");
  ReplyTool(kListed);
  ASSERT_EQ(actions_.size(), 1u);
  EXPECT_EQ(Only<Subscribed>().session_id, "s-1");
}

TEST_F(McpSessionTest, ReopenedStreamWithoutTheSubscriptionSubscribesAgain) {
  Reopen();
  ReplyTool("[]");
  EXPECT_EQ(Tool(), "events_subscribe");
  ReplyTool(Created("sub-2"));
  EXPECT_EQ(Count<Subscribed>(), 1u);
  Pass(seconds(30));
  Timer();
  ReplyTool("- sub-2");
  EXPECT_EQ(Count<ConnectionLost>(), 0u) << "the new id is the one to look for";
}

TEST_F(McpSessionTest, ReopenedStreamOfAServerThatCannotListSubscribesOnce) {
  Reopen();
  ReplyTool("unknown tool", true);
  EXPECT_EQ(Tool(), "events_unsubscribe") << "or every fault would be delivered twice";
  EXPECT_EQ(Posted()["params"]["arguments"]["subscriptionId"], "sub-1");
  ReplyTool("no such subscription", true);
  EXPECT_EQ(Tool(), "events_subscribe");
}

TEST_F(McpSessionTest, StreamThatIsClosedForRenewalResumesAfterItsLastEventId) {
  Subscribe();
  Do(session_->OnActivity({0, 3, false, "ev-3"}, now_));
  Pass(seconds(30));
  Timer();
  ReplyTool("none");
  EXPECT_TRUE(Resumable());
  Do(session_->Resume(now_));
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Last-Event-ID"), "ev-3");
}

TEST_F(McpSessionTest, FloodOfServerRequestsIsAnsweredInPart) {
  Subscribe();
  const Json ping = {{"jsonrpc", "2.0"}, {"id", 1}, {"method", "ping"}};
  OnStream(Json::array({ping, ping, ping, ping, ping, ping, ping, ping}));
  EXPECT_EQ(Count<PostMessage>(), 4u);
  const PostId first = All<PostMessage>().front().post;
  EXPECT_TRUE(session_->OnPostDone(first, std::nullopt, now_).empty());
  OnStream(Json::array({ping, ping}));
  EXPECT_EQ(Count<PostMessage>(), 1u);
}

TEST_F(McpSessionTest, LastEventIdIsSentOnlyAfterAnId) {
  Subscribe();
  StreamEnds();
  Do(session_->Resume(now_));
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Last-Event-ID"), "");
  StreamAnswers(StreamHead());
  ReplyTool(kListed);
  StreamEnds({}, "ev-9");
  Do(session_->Resume(now_));
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Last-Event-ID"), "ev-9");
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Mcp-Session-Id"), "s-1");
}

TEST_F(McpSessionTest, RefusedReplayIsRetriedWithoutTheId) {
  Subscribe();
  StreamEnds({}, "ev-9");
  Do(session_->Resume(now_));
  StreamAnswers(Head(400));
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  ASSERT_EQ(actions_.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<CloseStream>(actions_[0]));
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Last-Event-ID"), "");
  StreamAnswers(StreamHead());
  EXPECT_EQ(Tool(), "events_list_subscriptions");
}

TEST_F(McpSessionTest, StreamRefusedTwiceEndsTheSession) {
  Subscribe();
  StreamEnds({}, "ev-9");
  Do(session_->Resume(now_));
  StreamAnswers(Head(400));
  StreamAnswers(Head(400));
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
  EXPECT_FALSE(Resumable());
}

TEST_F(McpSessionTest, SessionForgottenBetweenStreamsIsExpired) {
  Subscribe();
  StreamEnds();
  Do(session_->Resume(now_));
  StreamAnswers(Head(404));
  EXPECT_EQ(Failure().error, ErrorClass::kSessionExpired);
  EXPECT_FALSE(Resumable());
  EXPECT_EQ(Count<DeleteSession>(), 0u);
}

TEST_F(McpSessionTest, UnansweredVerificationEndsTheSession) {
  Reopen();
  Pass(seconds(10));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
  EXPECT_EQ(Method(), "notifications/cancelled");
}

// --- the end --------------------------------------------------------------------------------

TEST_F(McpSessionTest, CloseEndsStreamAndSession) {
  Subscribe();
  Do(session_->Close(now_));
  ASSERT_EQ(actions_.size(), 2u);
  EXPECT_EQ(Count<CloseStream>(), 1u);
  EXPECT_EQ(Header(Only<DeleteSession>().headers, "Mcp-Session-Id"), "s-1");
  EXPECT_EQ(Header(Only<DeleteSession>().headers, "MCP-Protocol-Version"), "2025-11-25");
  EXPECT_EQ(session_->NextDeadline(), std::nullopt);
}

TEST_F(McpSessionTest, CloseWhileSuspendedDeletesTheSession) {
  Subscribe();
  StreamEnds();
  Do(session_->Close(now_));
  EXPECT_EQ(Count<DeleteSession>(), 1u);
  EXPECT_EQ(Count<CloseStream>(), 0u);
}

TEST_F(McpSessionTest, CloseDuringARequestCancelsIt) {
  OpenTheStream();
  Do(session_->Close(now_));
  EXPECT_EQ(Only<CancelPost>().post, request_post_);
}

TEST_F(McpSessionTest, CloseBeforeTheStartDoesNothing) {
  Do(session_->Close(now_));
  EXPECT_TRUE(actions_.empty());
}

TEST_F(McpSessionTest, SessionIsDeletedOnlyOnce) {
  OpenTheStream();
  Reply(Json::object());
  ReplyTool("# no id");
  ASSERT_EQ(Count<DeleteSession>(), 1u);
  Do(session_->Close(now_));
  EXPECT_TRUE(actions_.empty());
}

TEST_F(McpSessionTest, NothingFollowsTheEndWithinABatch) {
  OpenTheStream();
  Reply(Json::object());
  const Json refused = {
      {"jsonrpc", "2.0"}, {"id", request_id_}, {"result", {{"content", Json::array()}}}};
  const Json ping = {{"jsonrpc", "2.0"}, {"id", 1}, {"method", "ping"}};
  OnStream(Json::array({refused, ping, FaultNotification()}));
  ASSERT_FALSE(actions_.empty());
  EXPECT_TRUE(std::holds_alternative<ConnectionLost>(actions_.back()));
  EXPECT_EQ(Count<PostMessage>(), 0u);
}

}  // namespace
}  // namespace runner::ingest
