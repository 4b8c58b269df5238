#include "ingest/mcp/protocol/tool_result.h"

#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/mcp/protocol/jsonrpc.h"
#include "tests/unit/ingest/mcp/protocol/parsed_json.h"

namespace runner::ingest {
namespace {

Json Text(const std::string& text, bool failed = false) {
  return {{"content", {{{"type", "text"}, {"text", text}}}}, {"isError", failed}};
}

// Keeps what its responses refer to.
class ToolResult : public ::testing::Test {
 protected:
  JsonRpcResponse Result(const Json& result) {
    JsonRpcResponse response;
    response.result = documents_.emplace_back(result).value();
    return response;
  }
  JsonRpcResponse ResultText(const std::string& result) {
    JsonRpcResponse response;
    response.result = documents_.emplace_back(result).value();
    return response;
  }

 private:
  std::deque<ParsedJson> documents_;
};

JsonRpcResponse Error(std::int64_t code) {
  JsonRpcResponse response;
  response.is_error = true;
  response.error_code = code;
  response.error_message = "no";
  return response;
}

TEST_F(ToolResult, SubscriptionIdIsFoundAmongProse) {
  EXPECT_EQ(
      FindSubscriptionId("# Created\n{\"mode\":\"faults\", \"subscriptionId\" : \"sub-1\"}\nDone."),
      "sub-1");
  EXPECT_EQ(FindSubscriptionId("{\"subscriptionId\":\"sub"), "");
  EXPECT_EQ(FindSubscriptionId("no id"), "");
}

TEST_F(ToolResult, SubscriptionIdThatIsNoStringIsIgnored) {
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": 12, "mode":"faults"})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": null, "mode":"faults"})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": {"id":"sub-1"}})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": ["sub-1"]})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId" "sub-1"})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId")"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId":)"), "");
}

TEST_F(ToolResult, WordOfTheProseIsNoKey) {
  EXPECT_EQ(FindSubscriptionId("Keep the \"subscriptionId\".\n{\"subscriptionId\":\n \"sub-1\"}"),
            "sub-1");
}

TEST_F(ToolResult, LongOrEscapedSubscriptionIdIsIgnored) {
  const auto text = [](const std::string& id) { return R"({"subscriptionId":")" + id + "\"}"; };
  EXPECT_EQ(FindSubscriptionId(text(std::string(128, 'a'))), std::string(128, 'a'));
  EXPECT_EQ(FindSubscriptionId(text(std::string(129, 'a'))), "");
  EXPECT_EQ(FindSubscriptionId(text("a\\\"b")), "") << "other texts would write it otherwise";
}

TEST_F(ToolResult, LongerIdWithTheSamePrefixIsAnotherSubscription) {
  using enum SubscriptionState;
  EXPECT_EQ(StateOfSubscription("sub-10, sub-1", "sub-1"), kActive);
  EXPECT_EQ(StateOfSubscription("{\"id\":\"sub-1\"}", "sub-1"), kActive);
  EXPECT_EQ(StateOfSubscription("sub-10", "sub-1"), kMissing);
  EXPECT_EQ(StateOfSubscription("my-sub-1", "sub-1"), kMissing);
}

TEST_F(ToolResult, DegradedSubscriptionIsListedAndDead) {
  using enum SubscriptionState;
  const auto state = [](std::string_view text) { return StateOfSubscription(text, "sub-1"); };
  // As the servers write it, over several lines and beside other subscriptions.
  const std::string other = R"({"subscriptionId": "sub-2", "filters": {}, "degraded": true})";
  const std::string head = "# Active Subscriptions\n\n{\"subscriptions\": [" + other + ", ";
  EXPECT_EQ(state(head + R"({"subscriptionId": "sub-1", "filters": {"a": 1}, "degraded": true}]})"),
            kDegraded);
  EXPECT_EQ(state(head + R"({"degraded":true,"filters":{},"subscriptionId":"sub-1"}]})"),
            kDegraded);
  EXPECT_EQ(state(head + R"({"subscriptionId": "sub-1", "degraded": false}]})"), kActive);
  EXPECT_EQ(state(head + R"({"subscriptionId": "sub-1", "mode": "faults"}]})"), kActive);
  EXPECT_EQ(state(R"([{"id": "sub-1", "status": "degraded"}])"), kDegraded);
  EXPECT_EQ(state("- subscriptionId: sub-1\n  degraded: true\n"), kDegraded);
  EXPECT_EQ(state("- subscriptionId: sub-1\n- subscriptionId: sub-2\n  degraded: true\n"), kActive);
  EXPECT_EQ(state("# Subscriptions\n\n- degraded: true\n  subscriptionId: sub-1\n"), kDegraded);
  EXPECT_EQ(state(R"({"subscriptionId":"sub-1","cluster":"prod-degraded","degraded":false})"),
            kActive);
  EXPECT_EQ(state(R"({"subscriptionId":"sub-1","degradedReason":null,"lastdegraded":true})"),
            kActive);
}

// The search would otherwise take time in proportion to the square of the text.
TEST_F(ToolResult, HostileListOfSubscriptionsIsSearchedInABoundedWindow) {
  std::string text;
  while (text.size() < (std::size_t{8} << 20)) text += "sub-1 ";
  EXPECT_EQ(StateOfSubscription(text, "sub-1"), SubscriptionState::kActive);
}

TEST_F(ToolResult, FailedToolIsNotAnUnknownTool) {
  EXPECT_TRUE(ToolUnknown(Error(-32601)));
  EXPECT_TRUE(ToolUnknown(Error(-32602)));
  EXPECT_TRUE(ToolUnknown(Result(Text("Tool events_list_subscriptions not found", true))));
  EXPECT_TRUE(ToolUnknown(Result(Text("tool 'events_list' not found: no such tool", true))));
  EXPECT_FALSE(ToolUnknown(Result(Text("the tool failed: namespace shop not found", true))));
  EXPECT_FALSE(ToolUnknown(Error(-32603)));
  EXPECT_FALSE(ToolUnknown(Result(Text("apiserver timeout", true))));
}

TEST_F(ToolResult, FailureIsIsErrorOrAJsonRpcError) {
  EXPECT_TRUE(ToolFailed(Error(-32603)));
  EXPECT_TRUE(ToolFailed(Result(Text("x", true))));
  EXPECT_FALSE(ToolFailed(Result(Text("x"))));
  for (const Json& flag : {Json(), Json("true"), Json(1), Json(false)}) {
    EXPECT_FALSE(ToolFailed(Result({{"content", Json::array()}, {"isError", flag}}))) << flag;
  }
  for (const Json& result : {Json(), Json("text"), Json::array()}) {
    EXPECT_TRUE(ToolFailed(Result(result))) << result;
  }
}

TEST_F(ToolResult, TextIsThatOfTheTextParts) {
  EXPECT_EQ(ToolText(Result({{"content",
                              {{{"type", "text"}, {"text", "one"}},
                               {{"type", "image"}, {"text", "no"}},
                               {{"type", "text"}, {"text", 5}},
                               {{"type", "text"}},
                               "junk",
                               {{"type", "text"}, {"text", "two\n"}}}}})
                         .result),
            "one\ntwo\n\n");
  for (const Json& result : {Json(), Json("text"), Json{{"content", "text"}}, Json::object()}) {
    EXPECT_EQ(ToolText(Result(result).result), "") << result;
  }
  EXPECT_EQ(ToolText(std::nullopt), "");
}

TEST_F(ToolResult, AmbiguousReplyIsAFailureWithoutText) {
  const auto twice = ResultText(
      R"({"content":[{"type":"text","text":"a"}],"isError":false,"content":[],"isError":false})");
  EXPECT_TRUE(ToolFailed(twice));
  EXPECT_EQ(ToolText(twice.result), "");
  const auto part = ResultText(R"({"content":[{"type":"text","text":"a","text":"b"}]})");
  EXPECT_EQ(ToolText(part.result), "");
}

TEST_F(ToolResult, ToolsAreListedByName) {
  const auto page = Result({{"tools", {{{"name", "events_list"}, {"title", "x"}}, {{"name", "b"}}}},
                            {"nextCursor", "page-2"}});
  EXPECT_EQ(ToolNames(page.result), (std::vector<std::string>{"events_list", "b"}));
  EXPECT_EQ(NextCursor(page.result), "page-2");
  EXPECT_EQ(NextCursor(Result({{"tools", Json::array()}}).result), "") << "the last page";
}

TEST_F(ToolResult, ReplyWithoutAListOfToolsNamesNone) {
  for (const Json& result :
       {Json(), Json("text"), Json::array(), Json::object(), Json{{"tools", "events_list"}},
        Json{{"tools", {{"name", "events_list"}}}}, Json{{"nextCursor", 5}}}) {
    const auto answer = Result(result);
    EXPECT_EQ(ToolNames(answer.result), std::vector<std::string>()) << result;
    EXPECT_EQ(NextCursor(answer.result), "") << result;
  }
  EXPECT_EQ(ToolNames(std::nullopt), std::vector<std::string>());
  EXPECT_EQ(NextCursor(std::nullopt), "");
  const auto odd = Result(
      {{"tools",
        {5, "x", nullptr, Json::object(), {{"name", 5}}, {{"name", ""}}, {{"name", "good"}}}}});
  EXPECT_EQ(ToolNames(odd.result), std::vector<std::string>{"good"});
}

TEST_F(ToolResult, ListOfToolsIsBounded) {
  Json tools = Json::array({{{"name", std::string(kMaxToolName + 1, 'x')}}});
  for (int i = 0; i < 1500; ++i) tools.push_back({{"name", "tool-" + std::to_string(i)}});
  const auto page = Result({{"tools", tools}, {"nextCursor", std::string(kMaxCursor + 1, 'x')}});
  const auto names = ToolNames(page.result);
  ASSERT_EQ(names.size(), kMaxToolNames);
  EXPECT_EQ(names.front(), "tool-0");
  EXPECT_EQ(names.back(), "tool-999");
  EXPECT_EQ(NextCursor(page.result), "");
  const std::string cursor(kMaxCursor, 'x');
  EXPECT_EQ(NextCursor(Result({{"nextCursor", cursor}}).result), cursor);
}

TEST_F(ToolResult, AmbiguousListOfToolsNamesNone) {
  for (const char* text : {R"({"tools":[{"name":"a"}],"tools":[],"nextCursor":"c"})",
                           R"({"tools":[{"name":"a"}],"nextCursor":"c","nextCursor":"d"})"}) {
    const auto page = ResultText(text);
    EXPECT_EQ(ToolNames(page.result), std::vector<std::string>()) << text;
    EXPECT_EQ(NextCursor(page.result), "") << text;
  }
  const auto tool = ResultText(R"({"tools":[{"name":"a","name":"b"},{"name":"c"}]})");
  EXPECT_EQ(ToolNames(tool.result), std::vector<std::string>{"c"});
}

}  // namespace
}  // namespace runner::ingest
