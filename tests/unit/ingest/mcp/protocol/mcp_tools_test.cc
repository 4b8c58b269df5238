// Which tools a session calls, and what it does where a server lacks them.

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class McpToolsTest : public McpSessionTest {
 protected:
  // Until the request that follows logging/setLevel.
  void Connect(McpMode mode, const std::string& subscribe_tool = "",
               const std::string& events_tool = "") {
    McpSessionOptions options = Options();
    options.mode = mode;
    options.subscribe_tool = subscribe_tool;
    options.events_tool = events_tool;
    Renew(options);
    OpenTheStream();
    Reply(Json::object());
  }
  static Json Tools(const std::vector<std::string>& names) {
    Json tools = Json::array();
    for (const std::string& name : names) tools.push_back({{"name", name}});
    return {{"tools", tools}};
  }
};

// Nobody knows all the words that servers have for it.
TEST_F(McpToolsTest, MissingSubscribeToolIsRetriedSlowlyWhateverTheError) {
  for (const std::string words :
       {"unknown tool \"events_subscribe\"", "Tool events_subscribe not found",
        "tool 'events_subscribe' not found: tool not found", "No such tool: events_subscribe",
        "events_subscribe is not available", "nicht gefunden", "internal error"}) {
    for (const bool as_error : {true, false}) {
      Connect(McpMode::kFaults);
      ASSERT_EQ(Tool(), "events_subscribe");
      if (as_error) {
        ReplyError(-32603, words);
      } else {
        ReplyTool(words, true);
      }
      ASSERT_EQ(Method(), "tools/list") << words;
      Reply(Tools({"pods_list", "events_list"}));
      EXPECT_EQ(Failure().error, ErrorClass::kSubscription) << words;
      EXPECT_TRUE(Failure().retry_slowly) << words;
      EXPECT_THAT(Failure().detail, HasSubstr("no tool whose name ends in events_subscribe"));
      EXPECT_THAT(Failure().detail, HasSubstr(words)) << "the server's own words";
    }
  }
}

TEST_F(McpToolsTest, MissingListToolIsRetriedSlowlyWhateverTheError) {
  Connect(McpMode::kPoll);
  ReplyTool("computer says no", true);
  EXPECT_EQ(Tool(), "events_list") << "once more, without a selector";
  ReplyTool("computer says no", true);
  ASSERT_EQ(Method(), "tools/list");
  Reply(Tools({"pods_list"}));
  EXPECT_TRUE(Failure().retry_slowly);
  EXPECT_THAT(Failure().detail, HasSubstr("no tool whose name ends in events_list"));
}

TEST_F(McpToolsTest, OfferedToolThatFailsIsRetriedAsUsual) {
  Connect(McpMode::kFaults);
  ReplyTool("too many subscriptions", true);
  Reply(Tools({"events_subscribe"}));
  EXPECT_FALSE(Failure().retry_slowly);
  EXPECT_EQ(Failure().detail, "events_subscribe: too many subscriptions");
}

TEST_F(McpToolsTest, ErrorOfTheToolCountsIfToolsListFails) {
  Connect(McpMode::kFaults);
  ReplyError(-32602, "unknown tool");
  ReplyError(-32601, "no tools/list");
  EXPECT_TRUE(Failure().retry_slowly);
}

TEST_F(McpToolsTest, ToolThatAGatewayRenamedIsCalledByItsNewName) {
  Connect(McpMode::kFaults);
  ReplyError(-32602, "unknown tool \"events_subscribe\"");
  Reply(Tools({"k8s_events_subscribe", "k8s_events_list_subscriptions", "k8s_events_list"}));
  EXPECT_EQ(Tool(), "k8s_events_subscribe");
  ReplyTool(Created());
  EXPECT_EQ(Count<Subscribed>(), 1u);
  Pass(seconds(30));
  Timer();
  EXPECT_EQ(Tool(), "k8s_events_list_subscriptions");
}

TEST_F(McpToolsTest, RenamedListToolIsPolled) {
  Connect(McpMode::kPoll);
  ReplyError(-32602, "unknown tool");
  ReplyError(-32602, "unknown tool");
  Reply(Tools({"k8s_events_list"}));
  EXPECT_EQ(Tool(), "k8s_events_list");
  EXPECT_TRUE(Posted()["params"]["arguments"].contains("fieldSelector"));
  ReplyTool("# No events found");
  EXPECT_EQ(Count<Subscribed>(), 1u);
}

TEST_F(McpToolsTest, AutoFindsRenamedTools) {
  Connect(McpMode::kAuto);
  Reply(Tools({"k8s_events_subscribe", "k8s_events_list"}));
  EXPECT_EQ(Tool(), "k8s_events_subscribe");
}

TEST_F(McpToolsTest, ConfiguredNamesAreCalled) {
  Connect(McpMode::kFaults, "k8s_events_subscribe");
  Reply(Tools({"k8s_events_subscribe"}));
  EXPECT_EQ(Tool(), "k8s_events_subscribe");
  Connect(McpMode::kPoll, "", "cluster_events");
  Reply(Tools({"cluster_events"}));
  EXPECT_EQ(Tool(), "cluster_events");
}

TEST_F(McpToolsTest, OtherToolsAreFoundBesideAConfiguredName) {
  Connect(McpMode::kFaults, "watch_faults");
  Reply(Tools({"watch_faults", "k8s_events_list", "k8s_events_list_subscriptions"}));
  ASSERT_EQ(Tool(), "watch_faults");
  ReplyTool(Created());
  Pass(seconds(30));
  Timer();
  EXPECT_EQ(Tool(), "k8s_events_list_subscriptions");
}

TEST_F(McpToolsTest, ConfiguredNamesCountIfToolsListFails) {
  Connect(McpMode::kPoll, "", "cluster_events");
  ReplyError(-32601, "no tools/list");
  EXPECT_EQ(Tool(), "cluster_events");
}

TEST_F(McpToolsTest, ConfiguredNameThatTheServerDoesNotOfferIsNamed) {
  Connect(McpMode::kPoll, "", "cluster_events");
  Reply(Tools({"events_list"}));
  ASSERT_EQ(Tool(), "cluster_events");
  ReplyError(-32602, "unknown tool");
  ReplyError(-32602, "unknown tool");
  EXPECT_TRUE(Failure().retry_slowly);
  Connect(McpMode::kAuto, "k8s_event_subscribe");
  Reply(Tools({"k8s_events_subscribe", "k8s_events_list"}));
  EXPECT_THAT(Failure().detail, HasSubstr("k8s_event_subscribe; check subscribe_tool"))
      << "and polls in silence otherwise";
}

// --- lists ------------------------------------------------------------------------------------

TEST_F(McpToolsTest, ListOfEventsHasItsOwnTimeLimit) {
  Connect(McpMode::kPoll);
  EXPECT_EQ(Only<PostMessage>().list_timeout, Duration(seconds(60)));
  Pass(seconds(11));
  EXPECT_GT(session_->NextDeadline(), now_.mono);
  ReplyTool("# No events found");
  EXPECT_EQ(Count<Subscribed>(), 1u);
}

TEST_F(McpToolsTest, ListThatWasReadWhileItArrivedIsUsed) {
  Connect(McpMode::kPoll);
  ReplyTool("# No events found");
  Pass(seconds(30));
  Timer();
  EventList list = ReadEventList(Listed("late"));
  list.dropped = 3;
  session_->OnListedEvents(std::move(list));
  ReplyTool("# The following events (YAML fo");
  EXPECT_EQ(Count<DeliverEvent>(), 1u);
  EXPECT_EQ(Only<EntriesDropped>().count, 3u);
  EXPECT_THAT(Only<McpWarning>().detail, HasSubstr("3 entries"));
}

// Reading long messages takes time, and other clusters wait for the thread.
TEST_F(McpToolsTest, LongMessagesAreReadInPortions) {
  Connect(McpMode::kPoll);
  ReplyTool("# No events found");
  Pass(seconds(30));
  Timer();
  std::string list;
  for (int i = 0; i < 20; ++i) {
    list += "- InvolvedObject: {Kind: Pod, Name: p" + std::to_string(i) +
            "}\n  Message: " + std::string(76'000, 'm') +
            " the end\n  Reason: R\n  Type: Warning\n";
  }
  ReplyTool(list);
  std::size_t delivered = Count<DeliverEvent>();
  EXPECT_LT(delivered, 10u);
  int slices = 1;
  for (; delivered < 20 && slices < 20; ++slices) {
    ASSERT_LE(*session_->NextDeadline(), now_.mono) << "the next slice is due";
    Timer();
    for (const DeliverEvent& one : All<DeliverEvent>()) {
      EXPECT_TRUE(std::get<FaultEvent>(one.event).context.ends_with("the end"));
    }
    delivered += Count<DeliverEvent>();
  }
  EXPECT_EQ(delivered, 20u);
  EXPECT_GT(*session_->NextDeadline(), now_.mono);
}

TEST_F(McpToolsTest, PendingEventsAreDeliveredWhenTheSessionEnds) {
  Connect(McpMode::kPoll);
  ReplyTool("# No events found");
  Pass(seconds(30));
  Timer();
  std::string list;
  for (int i = 0; i < 20; ++i) {
    list += "- InvolvedObject: {Kind: Pod, Name: p" + std::to_string(i) +
            "}\n  Message: " + std::string(76'000, 'm') + "\n  Reason: R\n  Type: Warning\n";
  }
  ReplyTool(list);
  const std::size_t before = Count<DeliverEvent>();
  Do(session_->Close(now_));
  EXPECT_EQ(before + Count<DeliverEvent>(), 20u);
}

TEST_F(McpToolsTest, ListOfAnotherMessageIsNotUsed) {
  Connect(McpMode::kPoll);
  ReplyTool("# No events found");
  Pass(seconds(30));
  Timer();
  session_->OnListedEvents(ReadEventList(Listed("of another")));
  Message({{"jsonrpc", "2.0"}, {"id", 99'999}, {"result", Json::object()}});
  ReplyTool(Listed("own"));
  EXPECT_EQ(std::get<FaultEvent>(Only<DeliverEvent>().event).resource.name, "own");
}

TEST_F(McpToolsTest, TruncationWarningIsNotRepeatedWithEachList) {
  Connect(McpMode::kPoll);
  std::string broken = Listed("a") + "- {Reason: [\n";
  ReplyTool(broken);
  EXPECT_EQ(Count<McpWarning>(), 1u);
  Pass(seconds(30));
  Timer();
  ReplyTool(broken);
  EXPECT_EQ(Count<McpWarning>(), 0u);
  EXPECT_EQ(Only<EntriesDropped>().count, 1u) << "counted each time";
}

}  // namespace
}  // namespace runner::ingest
