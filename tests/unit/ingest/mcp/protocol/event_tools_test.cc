#include "ingest/mcp/protocol/event_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::HasSubstr;

EventToolNames Offered(const std::vector<std::string>& names, const std::string& subscribe = "",
                       const std::string& list = "") {
  EventToolNames tools(subscribe, list);
  tools.Add(names);
  tools.Resolve();
  return tools;
}

TEST(EventToolNames, DefaultNamesCount) {
  const auto tools = Offered({"pods_list", "events_list", "events_subscribe"});
  EXPECT_EQ(tools.Of(EventTool::kList), "events_list");
  EXPECT_TRUE(tools.Offers(EventTool::kList));
  EXPECT_TRUE(tools.Offers(EventTool::kSubscribe));
  EXPECT_FALSE(tools.Offers(EventTool::kUnsubscribe));
}

TEST(EventToolNames, RenamedToolIsFoundByItsSuffix) {
  const auto tools = Offered({"k8s_events_subscribe", "k8s_events_unsubscribe", "k8s_events_list",
                              "k8s_events_list_subscriptions", "github_list"});
  EXPECT_EQ(tools.Of(EventTool::kSubscribe), "k8s_events_subscribe");
  EXPECT_EQ(tools.Of(EventTool::kUnsubscribe), "k8s_events_unsubscribe");
  EXPECT_EQ(tools.Of(EventTool::kList), "k8s_events_list");
  EXPECT_EQ(tools.Of(EventTool::kListSubscriptions), "k8s_events_list_subscriptions");
}

TEST(EventToolNames, ExactNameCountsBesideLongerNames) {
  const auto tools = Offered({"other_events_list", "events_list"});
  EXPECT_EQ(tools.Of(EventTool::kList), "events_list");
  EXPECT_TRUE(tools.Offers(EventTool::kList));
}

TEST(EventToolNames, SeveralToolsWithTheSuffixAreNotGuessed) {
  const auto tools = Offered({"a_events_list", "b_events_list"});
  EXPECT_FALSE(tools.Offers(EventTool::kList));
  EXPECT_THAT(tools.WhyNot(EventTool::kList), HasSubstr("a_events_list, b_events_list"));
  EXPECT_THAT(tools.WhyNot(EventTool::kList), HasSubstr("set events_tool"));
}

TEST(EventToolNames, ConfiguredNameCounts) {
  const auto tools = Offered({"a_events_list", "b_events_list"}, "", "b_events_list");
  EXPECT_EQ(tools.Of(EventTool::kList), "b_events_list");
  EXPECT_TRUE(tools.Offers(EventTool::kList));
  const auto missing = Offered({"events_list"}, "", "k8s_events");
  EXPECT_FALSE(missing.Offers(EventTool::kList));
  EXPECT_THAT(missing.WhyNot(EventTool::kList), HasSubstr("no tool k8s_events; check events_tool"));
}

TEST(EventToolNames, PrefixOfAConfiguredNameCountsForTheOtherTools) {
  const EventToolNames tools("k8s_events_subscribe", "");
  EXPECT_EQ(tools.Of(EventTool::kSubscribe), "k8s_events_subscribe");
  EXPECT_EQ(tools.Of(EventTool::kListSubscriptions), "k8s_events_list_subscriptions");
  EXPECT_EQ(tools.Of(EventTool::kList), "k8s_events_list");
}

TEST(EventToolNames, PrefixThatTheServerDoesNotUseIsDropped) {
  const auto tools = Offered({"k8s_events_subscribe", "events_list"}, "k8s_events_subscribe");
  EXPECT_EQ(tools.Of(EventTool::kList), "events_list");
  EXPECT_TRUE(tools.Offers(EventTool::kList));
}

TEST(EventToolNames, MissingToolIsExplained) {
  EXPECT_THAT(Offered({"pods_list"}).WhyNot(EventTool::kSubscribe),
              HasSubstr("no tool whose name ends in events_subscribe"));
}

}  // namespace
}  // namespace runner::ingest
