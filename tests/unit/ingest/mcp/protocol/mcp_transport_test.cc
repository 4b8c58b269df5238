// HTTP with SSE (MCP 2024-11-05): the stream first, and replies on it.

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

class McpTransportTest : public McpSessionTest {
 protected:
  static constexpr const char* kPostUrl = "http://server/messages?id=1";

  void Use(Transport transport, McpMode mode = McpMode::kFaults) {
    McpSessionOptions options = Options();
    options.transport = transport;
    options.mode = mode;
    Renew(options);
  }
  void Endpoint(std::optional<std::string> url = kPostUrl) { Do(session_->OnEndpoint(url, now_)); }
  // The POST is accepted, and its reply comes on the stream.
  void ReplyOnStream(const Json& result) {
    const PostId post = request_post_;
    EXPECT_TRUE(session_->OnPostHead(post, Head(202, "text/plain"), now_).empty());
    EXPECT_TRUE(session_->OnMessage("Accepted", MessageOrigin::kPost, now_).empty());
    EXPECT_TRUE(session_->OnPostDone(post, std::nullopt, now_).empty());
    OnStream({{"jsonrpc", "2.0"}, {"id", request_id_}, {"result", result}});
  }
  static Json Text(const std::string& text) {
    return {{"content", {{{"type", "text"}, {"text", text}}}}};
  }
  void OpenLegacy() {
    Start();
    EXPECT_TRUE(Only<OpenStream>().carries_replies);
    StreamAnswers(StreamHead());
    EXPECT_TRUE(actions_.empty());
    Endpoint();
  }
  void SubscribeLegacy() {
    OpenLegacy();
    ReplyOnStream(InitializeResult("2024-11-05"));
    confirmation_ = Only<PostMessage>().post;
    EXPECT_EQ(Only<PostMessage>().url, kPostUrl);
    ConfirmInitialized();
    EXPECT_EQ(Method(), "logging/setLevel");
    ReplyOnStream(Json::object());
    EXPECT_EQ(Tool(), "events_subscribe");
    ReplyOnStream(Text(Created()));
  }
};

TEST_F(McpTransportTest, StreamNamesTheUrlForPosts) {
  Use(Transport::kSse);
  Start();
  ASSERT_EQ(actions_.size(), 1u);
  StreamAnswers(StreamHead());
  Endpoint();
  EXPECT_EQ(Method(), "initialize");
  EXPECT_EQ(Only<PostMessage>().url, kPostUrl);
  EXPECT_TRUE(Only<PostMessage>().headers.empty());
}

TEST_F(McpTransportTest, RepliesComeOnTheStream) {
  Use(Transport::kSse);
  SubscribeLegacy();
  EXPECT_EQ(Only<Subscribed>().transport, Transport::kSse);
  EXPECT_EQ(Only<Subscribed>().protocol_version, "2024-11-05");
  EXPECT_EQ(Only<Subscribed>().session_id, "");
  OnStream(FaultNotification());
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
}

TEST_F(McpTransportTest, EndOfTheStreamEndsTheSession) {
  Use(Transport::kSse);
  SubscribeLegacy();
  StreamEnds();
  EXPECT_EQ(Failure().error, ErrorClass::kStreamClosed);
  EXPECT_FALSE(Resumable());
  EXPECT_EQ(Count<DeleteSession>(), 0u);
}

TEST_F(McpTransportTest, MissingReplyTimesOut) {
  Use(Transport::kSse);
  OpenLegacy();
  EXPECT_TRUE(session_->OnPostHead(request_post_, Head(202, ""), now_).empty());
  EXPECT_TRUE(session_->OnPostDone(request_post_, std::nullopt, now_).empty());
  Pass(seconds(10));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
}

TEST_F(McpTransportTest, StreamWithoutAnEndpointTimesOut) {
  Use(Transport::kSse);
  Start();
  StreamAnswers(StreamHead());
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(10));
  Pass(seconds(10));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
  EXPECT_EQ(Count<CloseStream>(), 1u);
}

TEST_F(McpTransportTest, NothingIsPostedBeforeTheEndpoint) {
  Use(Transport::kSse);
  Start();
  StreamAnswers(StreamHead());
  OnStream({{"jsonrpc", "2.0"}, {"id", 9}, {"method", "ping"}});
  EXPECT_TRUE(actions_.empty());
  Endpoint();
  EXPECT_EQ(Method(), "initialize");
}

TEST_F(McpTransportTest, RefusalAfterTheEndOfTheStreamIsNotReportedAgain) {
  Use(Transport::kSse);
  OpenLegacy();
  ReplyOnStream(InitializeResult("2024-11-05"));
  confirmation_ = Only<PostMessage>().post;
  StreamEnds();
  EXPECT_EQ(Count<ConnectionLost>(), 1u);
  EXPECT_TRUE(session_->OnPostHead(confirmation_, Head(503), now_).empty());
}

TEST_F(McpTransportTest, EndpointOfAnotherOriginIsRejected) {
  Use(Transport::kSse);
  Start();
  StreamAnswers(StreamHead());
  Endpoint(std::nullopt);
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
  EXPECT_EQ(Count<PostMessage>(), 0u);
}

TEST_F(McpTransportTest, SecondEndpointIsIgnored) {
  Use(Transport::kSse);
  OpenLegacy();
  Endpoint("http://server/elsewhere");
  EXPECT_TRUE(actions_.empty());
}

TEST_F(McpTransportTest, ForgottenSessionIsExpired) {
  Use(Transport::kSse);
  SubscribeLegacy();
  Pass(seconds(30));
  Timer();
  PostHead(Head(404));
  EXPECT_EQ(Failure().error, ErrorClass::kSessionExpired);
}

TEST_F(McpTransportTest, AutoFallsBackToHttpWithSse) {
  for (const int status : {400, 404, 405}) {
    Use(Transport::kAuto);
    Start();
    EXPECT_EQ(Method(), "initialize");
    PostHead(Head(status, "text/plain"));
    EXPECT_EQ(Count<ConnectionLost>(), 0u) << status;
    EXPECT_EQ(Count<CancelPost>(), 1u) << status;
    EXPECT_TRUE(Only<OpenStream>().carries_replies) << status;
    StreamAnswers(StreamHead());
    Endpoint();
    EXPECT_EQ(Method(), "initialize") << status;
  }
}

TEST_F(McpTransportTest, AutoReportsTheRefusalsOfBothTransports) {
  Use(Transport::kAuto);
  Start();
  PostHead(Head(404, "text/plain"));
  StreamAnswers(Head(404, "text/plain"));
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
  EXPECT_TRUE(Failure().retry_slowly);
  EXPECT_THAT(Failure().detail, AllOf(HasSubstr("POST answers 404"), HasSubstr("GET answers 404")));
}

TEST_F(McpTransportTest, AutoDoesNotFallBackForOtherFailures) {
  for (const int status : {401, 403, 429, 500, 503}) {
    Use(Transport::kAuto);
    Start();
    PostHead(Head(status));
    EXPECT_EQ(Count<ConnectionLost>(), 1u) << status;
    EXPECT_EQ(Count<OpenStream>(), 0u) << status;
  }
}

TEST_F(McpTransportTest, AutoDoesNotFallBackOnceASessionWasGiven) {
  Use(Transport::kAuto);
  Start();
  PostHead(Head(200, "text/event-stream", "s-1"));
  PostHead(Head(404));  // the stream broke off, and was to go on
  EXPECT_EQ(Failure().error, ErrorClass::kSessionExpired);
  EXPECT_EQ(Count<OpenStream>(), 0u);
}

TEST_F(McpTransportTest, PollingWorksOverHttpWithSse) {
  Use(Transport::kSse, McpMode::kPoll);
  OpenLegacy();
  ReplyOnStream(InitializeResult("2024-11-05", false));
  confirmation_ = Only<PostMessage>().post;
  ConfirmInitialized();
  EXPECT_EQ(Tool(), "events_list");
  ReplyOnStream(Text("# No events found"));
  EXPECT_EQ(Only<Subscribed>().mode, McpMode::kPoll);
  StreamEnds();
  EXPECT_EQ(Count<ConnectionLost>(), 1u) << "without the stream there are no replies";
}

}  // namespace
}  // namespace runner::ingest
