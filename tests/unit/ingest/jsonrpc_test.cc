#include "ingest/mcp/jsonrpc.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

JsonRpcMessage One(std::string_view text) {
  std::vector<JsonRpcMessage> messages = ParseJsonRpc(text);
  EXPECT_EQ(messages.size(), 1u) << text;
  return messages.empty() ? JsonRpcInvalid{"nothing"} : std::move(messages.front());
}

bool IsInvalid(std::string_view text) { return std::holds_alternative<JsonRpcInvalid>(One(text)); }

TEST(JsonRpc, Response) {
  const auto response =
      std::get<JsonRpcResponse>(One(R"({"jsonrpc":"2.0","id":7,"result":{"a":1}})"));
  EXPECT_EQ(response.id, 7);
  EXPECT_FALSE(response.is_error);
  EXPECT_EQ(response.result["a"], 1);
}

TEST(JsonRpc, ResponseWithNullResult) {
  const auto response = std::get<JsonRpcResponse>(One(R"({"jsonrpc":"2.0","id":7,"result":null})"));
  EXPECT_FALSE(response.is_error);
  EXPECT_TRUE(response.result.is_null());
}

TEST(JsonRpc, ErrorResponse) {
  const auto response = std::get<JsonRpcResponse>(
      One(R"({"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}})"));
  EXPECT_TRUE(response.is_error);
  EXPECT_EQ(response.error_code, -32601);
  EXPECT_EQ(response.error_message, "no");
}

TEST(JsonRpc, ErrorOfAnyShapeIsAnError) {
  for (const char* error : {"\"text\"", "5", "{}", R"({"code":"x","message":5})", "[]"}) {
    const auto response = std::get<JsonRpcResponse>(
        One(std::string(R"({"jsonrpc":"2.0","id":7,"error":)") + error + "}"));
    EXPECT_TRUE(response.is_error) << error;
    EXPECT_EQ(response.error_code, 0) << error;
    EXPECT_FALSE(response.error_message.empty()) << error;
  }
}

TEST(JsonRpc, RequestKeepsTheIdOfThePeer) {
  for (const Json& id : {Json(5), Json("five"), Json(-1)}) {
    const Json message = {{"jsonrpc", "2.0"}, {"id", id}, {"method", "ping"}};
    const auto request = std::get<JsonRpcRequest>(One(message.dump()));
    EXPECT_EQ(request.id, id);
    EXPECT_EQ(request.method, "ping");
  }
}

TEST(JsonRpc, Notification) {
  const auto notification = std::get<JsonRpcNotification>(
      One(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"x":[1]}})"));
  EXPECT_EQ(notification.method, "notifications/message");
  EXPECT_EQ(notification.params["x"][0], 1);
  const auto bare = std::get<JsonRpcNotification>(One(R"({"jsonrpc":"2.0","method":"m"})"));
  EXPECT_TRUE(bare.params.is_null());
}

TEST(JsonRpc, WhatIsNotJsonRpcIsInvalid) {
  for (const char* text : {"",
                           " ",
                           "null",
                           "1",
                           "\"text\"",
                           "{}",
                           "{",
                           "nul",
                           "[1,",
                           R"({"jsonrpc":"2.0"})",
                           R"({"jsonrpc":"1.0","method":"m"})",
                           R"({"jsonrpc":2.0,"method":"m"})",
                           R"({"method":"m"})",
                           R"({"jsonrpc":"2.0","method":5})",
                           R"({"jsonrpc":"2.0","method":""})",
                           R"({"jsonrpc":"2.0","method":"m","id":null})",
                           R"({"jsonrpc":"2.0","method":"m","id":{}})",
                           R"({"jsonrpc":"2.0","result":{}})",
                           R"({"jsonrpc":"2.0","id":"x","result":{}})",
                           R"({"jsonrpc":"2.0","id":1.5,"result":{}})",
                           R"({"jsonrpc":"2.0","id":null,"error":{}})",
                           R"({"jsonrpc":"2.0","method":"m"} trailing)",
                           R"({'jsonrpc':'2.0'})",
                           "{\"jsonrpc\":\"2.0\",\"method\":\"\xFF\"}",
                           R"({"jsonrpc":"2.0","method":"\ud800"})"}) {
    EXPECT_TRUE(IsInvalid(text)) << text;
  }
}

TEST(JsonRpc, BatchHoldsSeveralMessages) {
  const auto messages = ParseJsonRpc(
      R"([{"jsonrpc":"2.0","method":"a"}, 5, {"jsonrpc":"2.0","id":1,"result":{}}, [], {}])");
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_TRUE(std::holds_alternative<JsonRpcNotification>(messages[0]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcInvalid>(messages[1]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcResponse>(messages[2]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcInvalid>(messages[3]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcInvalid>(messages[4]));
  EXPECT_TRUE(ParseJsonRpc("[]").empty());
}

TEST(JsonRpc, LastOfDuplicateKeysCounts) {
  const auto notification = std::get<JsonRpcNotification>(
      One(R"({"jsonrpc":"2.0","method":"a","method":"b","params":{"x":1,"x":2}})"));
  EXPECT_EQ(notification.method, "b");
  EXPECT_EQ(notification.params["x"], 2);
}

TEST(JsonRpc, HugeNumbersDoNoHarm) {
  EXPECT_TRUE(IsInvalid(R"({"jsonrpc":"2.0","method":"m","params":{"x":1e999}})"));
  const auto response =
      std::get<JsonRpcResponse>(One(R"({"jsonrpc":"2.0","id":18446744073709551615,"result":{}})"));
  EXPECT_LT(response.id, 1) << "none of ours";
  const auto notification = std::get<JsonRpcNotification>(
      One(R"({"jsonrpc":"2.0","method":"m","params":{"x":99999999999999999999999999}})"));
  EXPECT_TRUE(notification.params["x"].is_number());
}

TEST(JsonRpc, DeepNestingDoesNoHarm) {
  for (const std::size_t depth : {std::size_t{10'000}, std::size_t{500'000}}) {
    const std::string open(depth, '['), close(depth, ']');
    One(R"({"jsonrpc":"2.0","method":"m","params":)" + open + close + "}");
    EXPECT_TRUE(IsInvalid(open + close));
    EXPECT_TRUE(IsInvalid(open)) << "never closed";
  }
}

TEST(JsonRpc, MessagesAreBuilt) {
  EXPECT_EQ(MakeRequest(1, "ping", Json::object()),
            R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{}})");
  EXPECT_EQ(MakeNotification("n"), R"({"jsonrpc":"2.0","method":"n"})");
  EXPECT_EQ(MakeNotification("n", {{"a", 1}}),
            R"({"jsonrpc":"2.0","method":"n","params":{"a":1}})");
  EXPECT_EQ(MakeResult("x", Json::object()), R"({"jsonrpc":"2.0","id":"x","result":{}})");
  EXPECT_EQ(MakeError(2, -32601, "no"),
            R"({"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}})");
}

TEST(JsonRpc, InvalidUtf8IsReplacedWhenSent) {
  EXPECT_EQ(MakeNotification("\xFF"), "{\"jsonrpc\":\"2.0\",\"method\":\"\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace runner::ingest
