#include "ingest/mcp/protocol/jsonrpc.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/parsed_json.h"

namespace runner::ingest {
namespace {

class JsonRpc : public ::testing::Test {
 protected:
  JsonRpcMessage One(std::string_view text) {
    std::vector<JsonRpcMessage> messages = reader_.Read(text);
    EXPECT_EQ(messages.size(), 1u) << text.substr(0, 1000);
    return messages.empty() ? JsonRpcInvalid{"nothing"} : std::move(messages.front());
  }
  // Empty when the text is a valid message.
  std::string WhyInvalid(std::string_view text) {
    const JsonRpcMessage message = One(text);
    const auto* invalid = std::get_if<JsonRpcInvalid>(&message);
    return invalid == nullptr ? "" : invalid->what;
  }
  bool IsInvalid(std::string_view text) { return !WhyInvalid(text).empty(); }

  JsonRpcReader reader_;
};

std::string Repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

// A notification whose params are this JSON text.
std::string WithParams(const std::string& params) {
  return R"({"jsonrpc":"2.0","method":"m","params":)" + params + "}";
}

TEST_F(JsonRpc, ResponseIsRead) {
  const auto response =
      std::get<JsonRpcResponse>(One(R"({"jsonrpc":"2.0","id":7,"result":{"a":1}})"));
  EXPECT_EQ(response.id, 7);
  EXPECT_FALSE(response.is_error);
  EXPECT_EQ(MemberText(response.result, "/a"), "1");
}

TEST_F(JsonRpc, ResponseWithNullResultIsRead) {
  const auto response = std::get<JsonRpcResponse>(One(R"({"jsonrpc":"2.0","id":7,"result":null})"));
  EXPECT_FALSE(response.is_error);
  EXPECT_TRUE(IsNull(response.result));
}

TEST_F(JsonRpc, ErrorResponseIsRead) {
  const auto response = std::get<JsonRpcResponse>(
      One(R"({"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}})"));
  EXPECT_TRUE(response.is_error);
  EXPECT_EQ(response.error_code, -32601);
  EXPECT_EQ(response.error_message, "no");
}

TEST_F(JsonRpc, ErrorOfAnyShapeIsAnError) {
  for (const char* error : {"\"text\"", "5", "{}", R"({"code":"x","message":5})", "[]"}) {
    const auto response = std::get<JsonRpcResponse>(
        One(std::string(R"({"jsonrpc":"2.0","id":7,"error":)") + error + "}"));
    EXPECT_TRUE(response.is_error) << error;
    EXPECT_EQ(response.error_code, 0) << error;
    EXPECT_FALSE(response.error_message.empty()) << error;
  }
}

TEST_F(JsonRpc, RequestKeepsTheIdOfThePeer) {
  for (const Json& id : {Json(5), Json("five"), Json(-1), Json(1.5), Json("\"\n\\ \u20ac"),
                         Json(18446744073709551615u)}) {
    const Json message = {{"jsonrpc", "2.0"}, {"id", id}, {"method", "ping"}};
    const auto request = std::get<JsonRpcRequest>(One(message.dump()));
    EXPECT_EQ(request.id, id.dump());
    EXPECT_EQ(request.method, "ping");
  }
}

TEST_F(JsonRpc, NotificationIsRead) {
  const auto notification = std::get<JsonRpcNotification>(
      One(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"x":[1]}})"));
  EXPECT_EQ(notification.method, "notifications/message");
  EXPECT_EQ(MemberText(notification.params, "/x/0"), "1");
  const auto bare = std::get<JsonRpcNotification>(One(R"({"jsonrpc":"2.0","method":"m"})"));
  EXPECT_FALSE(bare.params.has_value());
}

TEST_F(JsonRpc, TextThatIsNotJsonRpcIsInvalid) {
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
  EXPECT_TRUE(IsInvalid(std::string_view())) << "a view of nothing";
}

TEST_F(JsonRpc, BatchHoldsSeveralMessages) {
  const auto messages = reader_.Read(
      R"([{"jsonrpc":"2.0","method":"a"}, 5, {"jsonrpc":"2.0","id":1,"result":{}}, [], {}])");
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_TRUE(std::holds_alternative<JsonRpcNotification>(messages[0]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcInvalid>(messages[1]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcResponse>(messages[2]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcInvalid>(messages[3]));
  EXPECT_TRUE(std::holds_alternative<JsonRpcInvalid>(messages[4]));
  EXPECT_TRUE(reader_.Read("[]").empty());
}

TEST_F(JsonRpc, LongBatchIsRejectedAsAWhole) {
  const auto batch = [](std::size_t size) {
    return "[" + Repeated(R"({"jsonrpc":"2.0","method":"m"},)", size - 1) +
           R"({"jsonrpc":"2.0","method":"m"}])";
  };
  EXPECT_EQ(reader_.Read(batch(kMaxBatch)).size(), kMaxBatch);
  EXPECT_EQ(WhyInvalid(batch(kMaxBatch + 1)), "too many messages in a batch");
  EXPECT_EQ(WhyInvalid("[" + Repeated("0,", 1'000'000) + "0]"), "too many messages in a batch");
}

TEST_F(JsonRpc, ByteOrderMarkIsSkipped) {
  EXPECT_FALSE(IsInvalid("\xEF\xBB\xBF" + WithParams("{}")));
}

TEST_F(JsonRpc, LongIdOfARequestIsInvalid) {
  const auto request = [](std::size_t size) {
    return R"({"jsonrpc":"2.0","method":"ping","id":")" + std::string(size, 'x') + "\"}";
  };
  EXPECT_EQ(std::get<JsonRpcRequest>(One(request(kMaxRequestId - 2))).id.size(), kMaxRequestId);
  EXPECT_EQ(WhyInvalid(request(kMaxRequestId - 1)), "request with an id over 1024 bytes");
}

// --- hostile text ---------------------------------------------------------------------------

TEST_F(JsonRpc, InvalidUtf8IsRejected) {
  for (const char* bytes :
       {"\xFF", "a\xC3(", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
    EXPECT_EQ(WhyInvalid(WithParams("{\"x\":\"" + std::string(bytes) + "\"}")), "invalid UTF-8");
    EXPECT_TRUE(IsInvalid(bytes));
  }
  for (const char* half : {"\\ud800", "\\udc00", "\\ud800\\u0041", "\\ud800\\ud800"}) {
    EXPECT_TRUE(IsInvalid(WithParams("{\"x\":\"" + std::string(half) + "\"}"))) << half;
  }
}

TEST_F(JsonRpc, NulBytesAreRejected) {
  const std::string nul(1, '\0');
  for (const std::string& text :
       {nul, WithParams("{}") + nul, nul + WithParams("{}"), WithParams("{\"x\":\"a" + nul + "\"}"),
        WithParams("{\"a" + nul + "\":1}"), WithParams(nul), std::string(100'000, '\0')}) {
    EXPECT_TRUE(IsInvalid(text));
  }
}

TEST_F(JsonRpc, DuplicateKeyIsInvalid) {
  for (const char* members :
       {R"("jsonrpc":"2.0","method":"m")", R"("method":"b")", R"("x":1,"\u006dethod":"b")",
        R"("params":{},"params":{})", R"("id":1,"id":1)", R"("result":1,"result":2)",
        R"("id":1,"error":{"code":1,"code":2})"}) {
    const std::string text = R"({"jsonrpc":"2.0","method":"a",)" + std::string(members) + "}";
    EXPECT_NE(WhyInvalid(text).find("occurs twice"), std::string::npos) << text;
  }
  EXPECT_FALSE(IsInvalid(R"({"jsonrpc":"2.0","method":"a","other":1,"other":2})")) << "never read";
}

TEST_F(JsonRpc, HugeNumbersAreInvalid) {
  for (const std::string number : {"1e999", "-1e999", "99999999999999999999999999",
                                   "-9223372036854775809", "18446744073709551616"}) {
    EXPECT_TRUE(IsInvalid(WithParams("{\"x\":" + number + "}"))) << number;
    EXPECT_TRUE(IsInvalid(R"({"jsonrpc":"2.0","method":"m","id":)" + number + "}")) << number;
  }
  EXPECT_TRUE(IsInvalid(WithParams("[" + std::string(1'000'000, '9') + "]")));
  EXPECT_EQ(WhyInvalid(R"({"jsonrpc":"2.0","id":18446744073709551615,"result":{}})"),
            "response without an integer id");
}

TEST_F(JsonRpc, DeepNestingIsInvalid) {
  for (const std::size_t depth : {std::size_t{10'000}, std::size_t{500'000}}) {
    const std::string open(depth, '['), close(depth, ']');
    EXPECT_EQ(WhyInvalid(WithParams(open + close)), "nested too deep");
    EXPECT_EQ(WhyInvalid(WithParams(Repeated("{\"a\":", depth) + "1" + std::string(depth, '}'))),
              "nested too deep");
    EXPECT_EQ(WhyInvalid(open + close), "nested too deep");
    EXPECT_TRUE(IsInvalid(open)) << "never closed";
  }
}

TEST_F(JsonRpc, DepthIsBoundedExactly) {
  const auto nested = [](std::size_t depth) {  // the message itself is the outermost
    return WithParams(std::string(depth - 1, '[') + "1" + std::string(depth - 1, ']'));
  };
  EXPECT_FALSE(IsInvalid(nested(kMaxJsonDepth)));
  EXPECT_EQ(WhyInvalid(nested(kMaxJsonDepth + 1)), "nested too deep");
  EXPECT_FALSE(IsInvalid(WithParams(R"({"x":"[[[[)" + std::string(1000, '{') + "\"}")))
      << "brackets in a text nest nothing";
}

TEST_F(JsonRpc, LengthIsBounded) {
  const auto text = [](std::size_t size) {
    const std::string rest = WithParams(R"({"x":""})");
    return WithParams(R"({"x":")" + std::string(size - rest.size(), 'x') + "\"}");
  };
  EXPECT_FALSE(IsInvalid(text(kMaxJsonText)));
  EXPECT_EQ(WhyInvalid(text(kMaxJsonText + 1)), "too long");
}

// --- the reader -----------------------------------------------------------------------------

TEST_F(JsonRpc, ReaderWorksAfterInvalidText) {
  for (const std::string& text :
       {std::string(100'000, '['), std::string("{"), std::string("\xFF"), std::string()}) {
    EXPECT_TRUE(IsInvalid(text));
    EXPECT_FALSE(IsInvalid(WithParams("[1]")));
    EXPECT_TRUE(IsInvalid(WithParams(std::string(100, '[') + std::string(100, ']'))));
  }
}

TEST_F(JsonRpc, ReaderFreesTheMemoryOfALargeMessage) {
  constexpr std::size_t kSmall = 100, kLarge = 10'000'000;
  EXPECT_EQ(reader_.capacity(), 0u) << "a session that is idle costs nothing";
  EXPECT_FALSE(IsInvalid(WithParams("\"" + std::string(kSmall, 'x') + "\"")));
  const std::size_t usual = reader_.capacity();
  reader_.Trim();
  EXPECT_EQ(reader_.capacity(), usual) << "used again by the next one";
  EXPECT_FALSE(IsInvalid(WithParams("\"" + std::string(kLarge, 'x') + "\"")));
  EXPECT_GE(reader_.capacity(), kLarge);
  reader_.Trim();
  EXPECT_EQ(reader_.capacity(), 0u);
  EXPECT_EQ(WhyInvalid(WithParams(std::string(100, '[') + std::string(100, ']'))),
            "nested too deep");
}

// --- what is sent ---------------------------------------------------------------------------

TEST_F(JsonRpc, MessagesAreBuilt) {
  EXPECT_EQ(MakeRequest(1, "ping", Json::object()),
            R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{}})");
  EXPECT_EQ(MakeNotification("n"), R"({"jsonrpc":"2.0","method":"n"})");
  EXPECT_EQ(MakeNotification("n", {{"a", 1}}),
            R"({"jsonrpc":"2.0","method":"n","params":{"a":1}})");
  EXPECT_EQ(MakeResult("\"x\"", Json::object()), R"({"jsonrpc":"2.0","id":"x","result":{}})");
  EXPECT_EQ(MakeError("2", -32601, "no"),
            R"({"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}})");
}

TEST_F(JsonRpc, InvalidUtf8IsReplacedWhenSent) {
  EXPECT_EQ(MakeNotification("\xFF"), "{\"jsonrpc\":\"2.0\",\"method\":\"\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace runner::ingest
