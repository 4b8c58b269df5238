// Which events a session asks for, and how it comes by them.

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

class McpModeTest : public McpSessionTest {
 protected:
  void Use(McpMode mode) {
    McpSessionOptions options = Options();
    options.mode = mode;
    Renew(options);
  }
  static Json Tools(const std::vector<std::string>& names, const std::string& cursor = "") {
    Json tools = Json::array();
    for (const std::string& name : names) tools.push_back({{"name", name}});
    Json result = {{"tools", tools}};
    if (!cursor.empty()) result["nextCursor"] = cursor;
    return result;
  }
  // Until the request that follows logging/setLevel.
  void SetLevel() {
    OpenTheStream();
    Reply(Json::object());
  }
  std::vector<std::string> Delivered() const {
    std::vector<std::string> names;
    for (const DeliverEvent& one : All<DeliverEvent>()) {
      const auto* fault = std::get_if<FaultEvent>(&one.event);
      names.push_back(fault == nullptr ? "invalid" : fault->resource.name);
    }
    return names;
  }
  void StartPolling(const std::string& baseline = "# No events found") {
    Use(McpMode::kPoll);
    SetLevel();
    ReplyTool(baseline);
    ASSERT_EQ(Count<Subscribed>(), 1u);
  }
  void NextPoll() {
    Pass(seconds(30));
    Timer();
    EXPECT_EQ(Tool(), "events_list");
  }
};

// --- auto -----------------------------------------------------------------------------------

TEST_F(McpModeTest, AutoSubscribesIfTheServerPushesFaults) {
  Use(McpMode::kAuto);
  SetLevel();
  EXPECT_EQ(Method(), "tools/list");
  Reply(Tools({"pods_list", "events_list", "events_subscribe"}));
  EXPECT_EQ(Tool(), "events_subscribe");
  EXPECT_EQ(Posted()["params"]["arguments"]["mode"], "faults");
  ReplyTool(Created());
  EXPECT_EQ(Only<Subscribed>().mode, McpMode::kFaults);
}

TEST_F(McpModeTest, AutoReadsEveryPageOfTools) {
  Use(McpMode::kAuto);
  SetLevel();
  Reply(Tools({"events_list"}, "page-2"));
  EXPECT_EQ(Method(), "tools/list");
  EXPECT_EQ(Posted()["params"]["cursor"], "page-2");
  Reply(Tools({"events_subscribe"}));
  EXPECT_EQ(Tool(), "events_subscribe");
}

TEST_F(McpModeTest, AutoReadsABoundedNumberOfPages) {
  Use(McpMode::kAuto);
  SetLevel();
  for (int i = 0; i < 200 && Method() == "tools/list"; ++i) Reply(Tools({"events_list"}, "more"));
  EXPECT_EQ(Tool(), "events_list");
}

TEST_F(McpModeTest, AutoReadsPagesForABoundedTime) {
  Use(McpMode::kAuto);
  SetLevel();
  int pages = 0;
  for (; pages < 50 && Method() == "tools/list"; ++pages) {
    Pass(std::chrono::seconds(9));
    Reply(Tools({"events_list"}, "more"));
  }
  EXPECT_EQ(pages, 4) << "other clusters wait for a place to connect";
  EXPECT_EQ(Tool(), "events_list");
}

TEST_F(McpModeTest, AutoPollsIfTheServerPushesNothing) {
  Use(McpMode::kAuto);
  SetLevel();
  Reply(Tools({"events_list"}));
  EXPECT_EQ(Tool(), "events_list");
  ReplyTool("# No events found");
  EXPECT_EQ(Only<Subscribed>().mode, McpMode::kPoll);
}

TEST_F(McpModeTest, AutoPollsIfTheServerHasNoStream) {
  Use(McpMode::kAuto);
  Initialize();
  ConfirmInitialized();
  StreamAnswers(Head(405));
  EXPECT_EQ(Method(), "logging/setLevel");
  Reply(Json::object());
  Reply(Tools({"events_list", "events_subscribe"}));
  EXPECT_EQ(Tool(), "events_list");
}

TEST_F(McpModeTest, AutoReportsTheMissingTools) {
  Use(McpMode::kAuto);
  SetLevel();
  Reply(Tools({"pods_list"}));
  EXPECT_EQ(Failure().error, ErrorClass::kSubscription);
  EXPECT_TRUE(Failure().retry_slowly);
  EXPECT_THAT(Failure().detail, HasSubstr("no tool whose name ends in events_subscribe"));
  EXPECT_THAT(Failure().detail, HasSubstr("no tool whose name ends in events_list"));
}

// --- events ---------------------------------------------------------------------------------

TEST_F(McpModeTest, ModeEventsSubscribesToEventsAndDecodesThem) {
  Use(McpMode::kEvents);
  SetLevel();
  EXPECT_EQ(Posted()["params"]["arguments"]["mode"], "events");
  ReplyTool(Created());
  EXPECT_EQ(Only<Subscribed>().mode, McpMode::kEvents);
  OnStream({{"jsonrpc", "2.0"},
            {"method", "notifications/message"},
            {"params",
             {{"logger", "kubernetes/events"},
              {"data",
               {{"event",
                 {{"type", "Warning"},
                  {"reason", "FailedMount"},
                  {"message", "no such volume"},
                  {"involvedObject", {{"kind", "Pod"}, {"name", "cart-0"}}}}}}}}}});
  const auto fault = std::get<FaultEvent>(Only<DeliverEvent>().event);
  EXPECT_EQ(fault.fault_type, "FailedMount");
  EXPECT_EQ(fault.severity, Severity::kWarning);
  EXPECT_EQ(fault.context, "no such volume");
}

// --- poll -----------------------------------------------------------------------------------

TEST_F(McpModeTest, FirstPollIsTheBaselineForNewEvents) {
  StartPolling(Listed("old"));
  EXPECT_EQ(Count<DeliverEvent>(), 0u);
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
  const std::string old = Listed("old");
  NextPoll();
  EXPECT_EQ(Posted()["params"]["arguments"]["fieldSelector"], "type=Warning");
  ReplyTool(old + Listed("new"));
  EXPECT_THAT(Delivered(), ::testing::ElementsAre("new"));
  NextPoll();
  ReplyTool(old);
  EXPECT_EQ(Count<DeliverEvent>(), 0u);
}

TEST_F(McpModeTest, BaselineOutlivesTheSession) {
  StartPolling(Listed("old"));
  const std::string old = Listed("old");
  Pass(seconds(300));
  McpSessionOptions options = Options();
  options.mode = McpMode::kPoll;
  Renew(options);
  SetLevel();
  ReplyTool(old + Listed("meanwhile", seconds(100)));
  EXPECT_EQ(Count<Subscribed>(), 1u);
  EXPECT_THAT(Delivered(), ::testing::ElementsAre("meanwhile"));
}

TEST_F(McpModeTest, NormalEventsAreSkippedWithoutAFieldSelector) {
  StartPolling();
  NextPoll();
  ReplyTool("unknown argument fieldSelector", true);
  EXPECT_EQ(Tool(), "events_list");
  EXPECT_FALSE(Posted()["params"]["arguments"].contains("fieldSelector"));
  ReplyTool(Listed("fine", seconds(0), "Scheduled", "Normal") + Listed("broken"));
  EXPECT_THAT(Delivered(), ::testing::ElementsAre("broken"));
  NextPoll();
  EXPECT_FALSE(Posted()["params"]["arguments"].contains("fieldSelector"));
}

TEST_F(McpModeTest, RefusedFieldSelectorIsLeftOutWhateverTheErrorCode) {
  StartPolling();
  NextPoll();
  ReplyError(-32602, "Invalid arguments: fieldSelector");
  EXPECT_FALSE(Posted()["params"]["arguments"].contains("fieldSelector"));
  ReplyTool(Listed("broken"));
  EXPECT_THAT(Delivered(), ::testing::ElementsAre("broken"));
}

TEST_F(McpModeTest, PollingNeedsNoLevel) {
  Use(McpMode::kPoll);
  OpenTheStream();
  ReplyError(-32601, "no logging");
  EXPECT_EQ(Tool(), "events_list");
}

TEST_F(McpModeTest, AutoNeedsALevelOnlyIfTheServerPushesFaults) {
  for (const bool pushes : {true, false}) {
    Use(McpMode::kAuto);
    OpenTheStream();
    ReplyError(-32601, "no logging");
    Reply(Tools({"events_list", pushes ? "events_subscribe" : "pods_list"}));
    EXPECT_EQ(Count<ConnectionLost>(), pushes ? 1u : 0u);
  }
}

TEST_F(McpModeTest, SecondFailedPollEndsTheSession) {
  StartPolling();
  NextPoll();
  PostHead(Head(503));
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  NextPoll();
  PostHead(Head(503));
  EXPECT_EQ(Failure().error, ErrorClass::kServer);
  EXPECT_FALSE(Resumable());
}

TEST_F(McpModeTest, UnansweredPollIsRepeatedAfterTheInterval) {
  StartPolling();
  NextPoll();
  Pass(seconds(60));
  Timer();
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  EXPECT_EQ(session_->NextDeadline(), now_.mono + seconds(30));
  NextPoll();
  Pass(seconds(60));
  Timer();
  EXPECT_EQ(Failure().error, ErrorClass::kTimeout);
}

TEST_F(McpModeTest, ReplyThatIsNoListIsAFailedPoll) {
  StartPolling();
  NextPoll();
  ReplyTool("the cluster is on fire");
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  NextPoll();
  ReplyTool("the cluster is on fire");
  EXPECT_THAT(Failure().detail, HasSubstr("no list of events"));
}

TEST_F(McpModeTest, ReplyWithoutTextIsAFailedPoll) {
  StartPolling();
  NextPoll();
  Reply(Json::object());
  NextPoll();
  Reply(Json::object());
  EXPECT_THAT(Failure().detail, HasSubstr("no list of events"));
}

TEST_F(McpModeTest, HostileListIsCheckedLikeAnyEvent) {
  StartPolling();
  NextPoll();
  ReplyTool("- {Reason: R, Type: Warning}\n");  // names no object
  EXPECT_THAT(Delivered(), ::testing::ElementsAre("invalid"));
}

TEST_F(McpModeTest, PollingNeedsNoStream) {
  for (const int status : {405, 404, 400, 500}) {
    Use(McpMode::kPoll);
    Initialize();
    ConfirmInitialized();
    StreamAnswers(Head(status));
    EXPECT_EQ(Method(), "logging/setLevel") << status;
    Reply(Json::object());
    ReplyTool("[]");
    EXPECT_EQ(Count<Subscribed>(), 1u) << status;
  }
}

TEST_F(McpModeTest, StreamThatEndsDuringPollingIsReopenedWithTheNextPoll) {
  StartPolling();
  StreamEnds();
  EXPECT_TRUE(actions_.empty());
  NextPoll();
  EXPECT_EQ(Count<OpenStream>(), 1u);
  StreamAnswers(Head(405));
  EXPECT_EQ(Count<ConnectionLost>(), 0u);
  ReplyTool("[]");
  NextPoll();
  EXPECT_EQ(Count<OpenStream>(), 0u) << "the server has said that there is none";
}

}  // namespace
}  // namespace runner::ingest
