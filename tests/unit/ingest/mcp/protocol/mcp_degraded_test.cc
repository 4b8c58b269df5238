// A subscription that the server lists and that delivers nothing any more.

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class McpDegradedTest : public McpSessionTest {
 protected:
  McpDegradedTest() {
    McpSessionOptions options = Options();
    options.backfill = true;
    Renew(options);
  }

  static Json ErrorNotification(const Json& data) {
    return {{"jsonrpc", "2.0"},
            {"method", "notifications/message"},
            {"params",
             {{"level", "error"}, {"logger", "kubernetes/subscription_error"}, {"data", data}}}};
  }
  static Json Degraded(const std::string& id = "sub-1") {
    return ErrorNotification({{"subscriptionId", id},
                              {"cluster", "east"},
                              {"error", "watch failed after 5 attempts"},
                              {"degraded", true}});
  }
  static std::string ListedDegraded(const std::string& id = "sub-1") {
    return "# Active Subscriptions\n\n{\"subscriptions\": [{\"subscriptionId\": \"" + id +
           "\", \"filters\": {}, \"degraded\": true}], \"total\": 1}";
  }
  void ExpectRenewal(const std::string& new_id = "sub-2") {
    ASSERT_EQ(Tool(), "events_unsubscribe");
    ReplyTool("# Subscription Cancelled");
    ASSERT_EQ(Tool(), "events_subscribe");
    ReplyTool(Created(new_id));
    EXPECT_EQ(Count<ConnectionLost>(), 0u);
    EXPECT_EQ(Tool(), "events_list") << "the events since the watch failed";
    ReplyTool(Listed("inside", seconds(20)));
    EXPECT_TRUE(Only<DeliverEvent>().backfilled);
  }
};

TEST_F(McpDegradedTest, NotifiedDegradationRenewsAndBackfills) {
  Subscribe();
  Pass(seconds(45));
  OnStream(Degraded());
  EXPECT_EQ(Posted()["params"]["arguments"]["subscriptionId"], "sub-1");
  ExpectRenewal();
}

TEST_F(McpDegradedTest, DegradationFoundByACheckRenewsAndBackfills) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ASSERT_EQ(Tool(), "events_list_subscriptions");
  ReplyTool(ListedDegraded());
  EXPECT_EQ(Only<McpWarning>().message, "Subscription degraded");
  ExpectRenewal();
}

TEST_F(McpDegradedTest, DegradationFoundAfterReopeningRenews) {
  Reopen();
  ASSERT_EQ(Tool(), "events_list_subscriptions");
  ReplyTool(ListedDegraded());
  ExpectRenewal();
}

TEST_F(McpDegradedTest, NotificationDuringACheckIsNotLost) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  ASSERT_EQ(Tool(), "events_list_subscriptions");
  OnStream(Degraded());
  EXPECT_EQ(Count<PostMessage>(), 0u) << "one request at a time";
  ReplyTool(kListed);
  ExpectRenewal();
}

TEST_F(McpDegradedTest, NotificationDuringABackfillKeepsTheGap) {
  Reopen();
  ReplyTool(kListed);
  ASSERT_EQ(Tool(), "events_list");
  Pass(seconds(20));
  OnStream(Degraded());
  EXPECT_EQ(Count<CancelPost>(), 1u) << "what fails until the renewal is not in that list";
  ExpectRenewal();
}

TEST_F(McpDegradedTest, SecondDegradationAtOnceEndsTheSession) {
  Subscribe();
  Pass(seconds(45));
  OnStream(Degraded());
  ExpectRenewal();
  OnStream(Degraded("sub-2"));
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
  EXPECT_THAT(Failure().detail, HasSubstr("degraded"));
  EXPECT_FALSE(Resumable()) << "the next session waits for its backoff";
}

TEST_F(McpDegradedTest, LaterDegradationRenewsAgain) {
  Subscribe();
  for (const std::string id : {"sub-1", "sub-2", "sub-3"}) {
    Pass(seconds(45));
    OnStream(Degraded(id));
    ASSERT_EQ(Tool(), "events_unsubscribe") << id;
    ReplyTool("# Subscription Cancelled");
    ReplyTool(Created("sub-" + std::to_string(id.back() - '0' + 1)));
    ReplyTool("# No events found");
  }
}

TEST_F(McpDegradedTest, NotificationAboutAnotherSubscriptionIsIgnored) {
  Subscribe();
  Pass(seconds(45));
  OnStream(Degraded("sub-9"));
  EXPECT_EQ(Tool(), "events_list_subscriptions") << "a check";
  ReplyTool(kListed);
  EXPECT_EQ(Count<PostMessage>(), 0u);
}

TEST_F(McpDegradedTest, SubscriptionErrorWithoutDegradationLeadsToACheck) {
  Subscribe();
  OnStream(ErrorNotification({{"subscriptionId", "sub-1"}, {"error", "hiccup"}}));
  EXPECT_EQ(Tool(), "events_list_subscriptions");
}

TEST_F(McpDegradedTest, FailedRenewalEndsTheSession) {
  Subscribe();
  Pass(seconds(45));
  OnStream(Degraded());
  ReplyTool("# Subscription Cancelled");
  ReplyTool("failed to subscribe: connection refused", true);
  ASSERT_EQ(Method(), "tools/list") << "is the tool still there?";
  Reply({{"tools", {{{"name", "events_subscribe"}}}}});
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
  EXPECT_FALSE(Failure().retry_slowly) << "it is there: the Kubernetes API may come back soon";
}

// --- servers without sessions ----------------------------------------------------------------

TEST_F(McpDegradedTest, ServerWithoutASessionIdIsWarnedAboutOnce) {
  Start();
  Answer({{"result", InitializeResult()}}, "");
  confirmation_ = Only<PostMessage>().post;
  ConfirmInitialized();
  StreamAnswers(StreamHead());
  Reply(Json::object());
  ReplyTool(Created());
  Pass(seconds(30));
  Timer();
  const McpWarning warning = Only<McpWarning>();
  EXPECT_TRUE(warning.once);
  EXPECT_THAT(warning.detail, HasSubstr("mode: poll"));
}

TEST_F(McpDegradedTest, ServerWithASessionIdIsNotWarnedAbout) {
  Subscribe();
  Pass(seconds(30));
  Timer();
  EXPECT_EQ(Count<McpWarning>(), 0u);
}

}  // namespace
}  // namespace runner::ingest
