// From initialize to a subscription, and what can go wrong on the way.

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using McpHandshake = McpSessionTest;

TEST_F(McpHandshake, InitializeIsSentFirstAndAlone) {
  EXPECT_EQ(session_->NextDeadline(), std::nullopt);
  Start();
  ASSERT_EQ(actions_.size(), 1u);
  const Json message = Posted();
  EXPECT_EQ(message["jsonrpc"], "2.0");
  EXPECT_EQ(message["method"], "initialize");
  EXPECT_EQ(message["params"]["protocolVersion"], "2025-11-25");
  EXPECT_EQ(message["params"]["clientInfo"]["version"], "1.2.3");
  EXPECT_TRUE(message["params"]["capabilities"].is_object());
  EXPECT_TRUE(Only<PostMessage>().headers.empty()) << "neither session nor version is known yet";
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(10));
}

TEST_F(McpHandshake, EveryRequestFollowsInOrderWithSessionAndVersion) {
  Initialize(InitializeResult("2025-06-18"), "s-42");
  const auto expect_headers = [&](const HttpHeaders& headers) {
    EXPECT_EQ(Header(headers, "Mcp-Session-Id"), "s-42");
    EXPECT_EQ(Header(headers, "MCP-Protocol-Version"), "2025-06-18");
  };
  EXPECT_EQ(Method(), "notifications/initialized");
  EXPECT_FALSE(Posted().contains("id"));
  expect_headers(Only<PostMessage>().headers);

  ConfirmInitialized();
  ASSERT_EQ(actions_.size(), 1u);
  expect_headers(Only<OpenStream>().headers);
  EXPECT_EQ(Header(Only<OpenStream>().headers, "Last-Event-ID"), "");

  StreamAnswers(StreamHead());
  ASSERT_EQ(actions_.size(), 1u);
  EXPECT_EQ(Method(), "logging/setLevel");
  EXPECT_EQ(Posted()["params"]["level"], "info");
  expect_headers(Only<PostMessage>().headers);

  Reply(Json::object());
  ASSERT_EQ(actions_.size(), 1u);
  EXPECT_EQ(Tool(), "events_subscribe");
  EXPECT_EQ(Posted()["params"]["arguments"], Json({{"mode", "faults"}}));
  expect_headers(Only<PostMessage>().headers);

  ReplyTool(Created());
  ASSERT_EQ(actions_.size(), 1u);
  EXPECT_EQ(Only<Subscribed>().session_id, "s-42");
}

TEST_F(McpHandshake, RequestIdsAreUnique) {
  OpenTheStream();
  const auto second = request_id_;
  EXPECT_NE(first_request_id_, second);
  Reply(Json::object());
  EXPECT_NE(second, request_id_);
}

TEST_F(McpHandshake, ServerWithoutLoggingIsSentNoLevel) {
  Initialize(InitializeResult("2025-11-25", false));
  ConfirmInitialized();
  StreamAnswers(StreamHead());
  EXPECT_EQ(Tool(), "events_subscribe");
}

TEST_F(McpHandshake, ServerWithoutSessionGetsNoSessionHeaderAndNoDelete) {
  Initialize(InitializeResult(), "");
  EXPECT_EQ(Header(Only<PostMessage>().headers, "Mcp-Session-Id"), "");
  EXPECT_EQ(Header(Only<PostMessage>().headers, "MCP-Protocol-Version"), "2025-11-25");
  Do(session_->Close(now_));
  EXPECT_EQ(Count<DeleteSession>(), 0u);
}

TEST_F(McpHandshake, EveryKnownVersionIsAccepted) {
  for (const char* version : {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}) {
    Renew();
    Initialize(InitializeResult(version));
    EXPECT_EQ(Method(), "notifications/initialized") << version;
  }
}

TEST_F(McpHandshake, OtherVersionsEndTheSession) {
  for (const Json& version : {Json("2026-07-28"), Json("1999-01-01"), Json(1), Json()}) {
    Renew();
    Json result = InitializeResult();
    result["protocolVersion"] = version;
    Start();
    Answer({{"result", result}}, "s-1");
    EXPECT_EQ(Failure().error, ErrorClass::kProtocol) << version;
    EXPECT_TRUE(Failure().retry_slowly) << version;
    EXPECT_FALSE(Resumable()) << version;
    EXPECT_EQ(Count<PostMessage>(), 0u) << version;
    EXPECT_EQ(Count<DeleteSession>(), 1u) << version;
  }
}

TEST_F(McpHandshake, ReplyOnAnEventStreamIsAccepted) {
  Start();
  PostHead(Head(200, "text/event-stream", "s-9"));
  Message({{"jsonrpc", "2.0"}, {"method", "notifications/progress"}});
  EXPECT_TRUE(actions_.empty());
  Message({{"jsonrpc", "2.0"}, {"id", request_id_}, {"result", InitializeResult()}});
  EXPECT_EQ(Method(), "notifications/initialized");
  EXPECT_EQ(Header(Only<PostMessage>().headers, "Mcp-Session-Id"), "s-9");
}

TEST_F(McpHandshake, ReplyInABatchIsAccepted) {
  Start();
  PostHead(Head(200, "application/json", "s-9"));
  Message(Json::array({{{"jsonrpc", "2.0"}, {"method", "notifications/progress"}},
                       {{"jsonrpc", "2.0"}, {"id", request_id_}, {"result", InitializeResult()}}}));
  EXPECT_EQ(Method(), "notifications/initialized");
}

TEST_F(McpHandshake, ReplyWithAnotherIdIsIgnored) {
  Start();
  Message({{"jsonrpc", "2.0"}, {"id", request_id_ + 1}, {"result", InitializeResult()}});
  EXPECT_TRUE(actions_.empty());
}

TEST_F(McpHandshake, ConfirmationMayBeAnsweredWithAnySuccess) {
  for (const int status : {200, 202, 204}) {
    Renew();
    Initialize();
    EXPECT_TRUE(session_->OnPostHead(confirmation_, Head(status, ""), now_).empty());
    Do(session_->OnPostDone(confirmation_, std::nullopt, now_));
    EXPECT_EQ(Count<OpenStream>(), 1u) << status;
  }
}

TEST_F(McpHandshake, RefusedConfirmationEndsTheSession) {
  Initialize();
  Do(session_->OnPostHead(confirmation_, Head(500), now_));
  EXPECT_EQ(Failure().error, ErrorClass::kServer);
}

TEST_F(McpHandshake, HeadersAloneDoNotOpenTheStream) {
  Initialize();
  EXPECT_TRUE(session_->OnPostHead(confirmation_, Head(202, ""), now_).empty());
}

// --- refusals -------------------------------------------------------------------------------

struct Refusal {
  int status;
  ErrorClass error;
  bool slowly;
};

TEST_F(McpHandshake, StatusOfInitializeIsClassified) {
  for (const Refusal& refusal :
       {Refusal{401, ErrorClass::kAuth, true}, Refusal{403, ErrorClass::kAuth, true},
        Refusal{404, ErrorClass::kProtocol, true}, Refusal{302, ErrorClass::kProtocol, true},
        Refusal{429, ErrorClass::kServer, false}, Refusal{500, ErrorClass::kServer, false},
        Refusal{503, ErrorClass::kServer, false}}) {
    Renew();
    Start();
    HttpHead head = Head(refusal.status, "text/html");
    head.retry_after = seconds(7);
    PostHead(head);
    EXPECT_EQ(Failure().error, refusal.error) << refusal.status;
    EXPECT_EQ(Failure().retry_slowly, refusal.slowly) << refusal.status;
    EXPECT_EQ(Failure().retry_after, seconds(7)) << refusal.status;
    EXPECT_FALSE(Resumable());
    EXPECT_EQ(Count<DeleteSession>(), 0u) << "there is none";
    EXPECT_EQ(Count<CancelPost>(), 1u);
    EXPECT_EQ(session_->NextDeadline(), std::nullopt);
  }
}

TEST_F(McpHandshake, WrongContentTypeIsAProtocolFailure) {
  Start();
  PostHead(Head(200, "text/html"));
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
}

TEST_F(McpHandshake, GarbageInTheAnswerIsAProtocolFailureAndNoEvent) {
  Start();
  PostHead(Head(200));
  Text("<html>", MessageOrigin::kPost);
  EXPECT_TRUE(actions_.empty());
  Do(session_->OnPostDone(request_post_, std::nullopt, now_));
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
}

TEST_F(McpHandshake, BrokenExchangeKeepsItsErrorClass) {
  Start();
  Do(session_->OnPostDone(request_post_, FailureOf(ErrorClass::kTls, "bad certificate"), now_));
  EXPECT_EQ(Failure().error, ErrorClass::kTls);
  EXPECT_EQ(Failure().detail, "bad certificate");
}

TEST_F(McpHandshake, InitializeErrorIsAProtocolFailure) {
  Start();
  ReplyError(-32602, "unsupported");
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
  EXPECT_THAT(Failure().detail, ::testing::HasSubstr("unsupported"));
}

TEST_F(McpHandshake, InitializeWithoutAResultObjectIsAProtocolFailure) {
  Start();
  Reply("yes");
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
}

TEST_F(McpHandshake, RefusedLevelIsASubscriptionFailure) {
  OpenTheStream();
  ReplyError(-32601, "no logging");
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
  EXPECT_EQ(Count<CloseStream>(), 1u);
  EXPECT_EQ(Count<DeleteSession>(), 1u);
}

TEST_F(McpHandshake, RefusedSubscriptionIsASubscriptionFailure) {
  for (const bool as_tool_error : {true, false}) {
    Renew();
    OpenTheStream();
    Reply(Json::object());
    if (as_tool_error) {
      ReplyTool("too many subscriptions", true);
    } else {
      ReplyError(-32602, "too many subscriptions");
    }
    Reply({{"tools", {{{"name", "events_subscribe"}}}}});
    EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
    EXPECT_THAT(Failure().detail, ::testing::HasSubstr("too many subscriptions"));
    EXPECT_FALSE(Resumable());
    EXPECT_EQ(Count<DeleteSession>(), 1u);
  }
}

TEST_F(McpHandshake, SubscriptionWithoutAnIdIsASubscriptionFailure) {
  OpenTheStream();
  Reply(Json::object());
  ReplyTool("# Event Subscription Created");
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
}

TEST_F(McpHandshake, SessionForgottenDuringTheHandshakeIsExpiredAndNotDeleted) {
  OpenTheStream();
  PostHead(Head(404));
  EXPECT_EQ(Failure().error, ErrorClass::kSessionExpired);
  EXPECT_FALSE(Failure().retry_slowly);
  EXPECT_EQ(Count<DeleteSession>(), 0u);
  EXPECT_EQ(Count<CloseStream>(), 1u);
}

// --- the stream -----------------------------------------------------------------------------

TEST_F(McpHandshake, ServerWithoutAStreamIsRetriedSlowly) {
  for (const int status : {405, 404, 400}) {
    Renew();
    Initialize();
    ConfirmInitialized();
    StreamAnswers(Head(status));
    EXPECT_EQ(Failure().error, ErrorClass::kProtocol) << status;
    EXPECT_TRUE(Failure().retry_slowly) << status;
    EXPECT_EQ(Count<DeleteSession>(), 1u) << status;
  }
}

TEST_F(McpHandshake, StatusOfTheStreamIsClassified) {
  for (const Refusal& refusal :
       {Refusal{401, ErrorClass::kAuth, true}, Refusal{409, ErrorClass::kProtocol, false},
        Refusal{503, ErrorClass::kServer, false}}) {
    Renew();
    Initialize();
    ConfirmInitialized();
    StreamAnswers(Head(refusal.status));
    EXPECT_EQ(Failure().error, refusal.error) << refusal.status;
    EXPECT_EQ(Failure().retry_slowly, refusal.slowly) << refusal.status;
    EXPECT_EQ(Count<DeleteSession>(), 1u) << refusal.status;
  }
}

TEST_F(McpHandshake, StreamOfTheWrongTypeIsAProtocolFailure) {
  Initialize();
  ConfirmInitialized();
  StreamAnswers(Head(200, "application/json"));
  EXPECT_EQ(Failure().error, ErrorClass::kProtocol);
}

TEST_F(McpHandshake, StreamFailureBeforeTheSubscriptionEndsTheSession) {
  OpenTheStream();
  StreamEnds();
  EXPECT_EQ(Failure().error, ErrorClass::kStreamClosed);
  EXPECT_FALSE(Resumable());
  EXPECT_EQ(Count<CloseStream>(), 0u) << "it is closed already";
  EXPECT_EQ(Count<DeleteSession>(), 1u);
}

// --- time limits ----------------------------------------------------------------------------

TEST_F(McpHandshake, InitializeIsNeverCancelled) {
  Start();
  Pass(seconds(10));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
  EXPECT_EQ(Count<PostMessage>(), 0u);
  EXPECT_EQ(Count<CancelPost>(), 1u);
}

TEST_F(McpHandshake, OtherRequestsAreCancelledOnExpiry) {
  OpenTheStream();
  const auto id = request_id_;
  Pass(seconds(9));
  Timer();
  EXPECT_TRUE(actions_.empty());
  Pass(seconds(1));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
  EXPECT_EQ(Method(), "notifications/cancelled");
  EXPECT_EQ(Posted()["params"]["requestId"], id);
}

TEST_F(McpHandshake, LateReplyIsIgnored) {
  Start();
  const auto id = request_id_;
  Pass(seconds(10));
  Timer();
  Message({{"jsonrpc", "2.0"}, {"id", id}, {"result", InitializeResult()}});
  EXPECT_TRUE(actions_.empty());
}

}  // namespace
}  // namespace runner::ingest
