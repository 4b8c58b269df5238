#include "ingest/mcp/tool_result.h"

#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

Json Text(const std::string& text, bool failed = false) {
  return {{"content", {{{"type", "text"}, {"text", text}}}}, {"isError", failed}};
}

JsonRpcResponse Result(Json result) {
  JsonRpcResponse response;
  response.result = std::move(result);
  return response;
}

JsonRpcResponse Error(std::int64_t code) {
  JsonRpcResponse response;
  response.is_error = true;
  response.error_code = code;
  response.error_message = "no";
  return response;
}

TEST(ToolResult, AnIdIsFoundAmongProse) {
  EXPECT_EQ(
      FindSubscriptionId("# Created\n{\"mode\":\"faults\", \"subscriptionId\" : \"sub-1\"}\nDone."),
      "sub-1");
  EXPECT_EQ(FindSubscriptionId("{\"subscriptionId\":\"sub"), "");
  EXPECT_EQ(FindSubscriptionId("no id"), "");
}

TEST(ToolResult, AnIdThatIsNoTextIsNone) {
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": 12, "mode":"faults"})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": null, "mode":"faults"})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": {"id":"sub-1"}})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId": ["sub-1"]})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId" "sub-1"})"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId")"), "");
  EXPECT_EQ(FindSubscriptionId(R"({"subscriptionId":)"), "");
}

TEST(ToolResult, AWordOfTheProseIsNoKey) {
  EXPECT_EQ(FindSubscriptionId("Keep the \"subscriptionId\".\n{\"subscriptionId\":\n \"sub-1\"}"),
            "sub-1");
}

TEST(ToolResult, AnIdIsShortAndPlain) {
  const auto text = [](const std::string& id) { return R"({"subscriptionId":")" + id + "\"}"; };
  EXPECT_EQ(FindSubscriptionId(text(std::string(128, 'a'))), std::string(128, 'a'));
  EXPECT_EQ(FindSubscriptionId(text(std::string(129, 'a'))), "");
  EXPECT_EQ(FindSubscriptionId(text("a\\\"b")), "") << "other texts would write it otherwise";
}

TEST(ToolResult, AnIdThatOnlyBeginsTheSameIsAnother) {
  EXPECT_TRUE(NamesSubscription("sub-10, sub-1", "sub-1"));
  EXPECT_TRUE(NamesSubscription("{\"id\":\"sub-1\"}", "sub-1"));
  EXPECT_FALSE(NamesSubscription("sub-10", "sub-1"));
  EXPECT_FALSE(NamesSubscription("my-sub-1", "sub-1"));
}

TEST(ToolResult, AToolThatFailsIsNotAToolThatIsNotThere) {
  EXPECT_TRUE(ToolUnknown(Error(-32601)));
  EXPECT_TRUE(ToolUnknown(Error(-32602)));
  EXPECT_TRUE(ToolUnknown(Result(Text("Tool events_list_subscriptions not found", true))));
  EXPECT_FALSE(ToolUnknown(Error(-32603)));
  EXPECT_FALSE(ToolUnknown(Result(Text("apiserver timeout", true))));
}

TEST(ToolResult, FailureIsTheFlagOfTheToolOrTheErrorOfTheCall) {
  EXPECT_TRUE(ToolFailed(Error(-32603)));
  EXPECT_TRUE(ToolFailed(Result(Text("x", true))));
  EXPECT_FALSE(ToolFailed(Result(Text("x"))));
}

}  // namespace
}  // namespace runner::ingest
