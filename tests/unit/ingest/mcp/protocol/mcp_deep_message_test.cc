// A message within the limit of a line may be nested half a million deep. Nobody may climb down
// there on the stack; each case runs in a process of its own, as it would take the others with it.

#include <cstddef>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/mcp_session_fixture.h"

namespace runner::ingest {
namespace {

std::string Nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::string LogMessage(const std::string& logger, const std::string& data) {
  return R"({"jsonrpc":"2.0","method":"notifications/message","params":{"logger":")" + logger +
         R"(","data":)" + data + "}}";
}

class McpDeepMessage : public McpSessionTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    Subscribe();
  }
  void ExpectSurvives(const std::string& text, MessageOrigin origin = MessageOrigin::kStream) {
    EXPECT_EXIT(
        {
          Text(text, origin);
          std::_Exit(0);
        },
        ::testing::ExitedWithCode(0), "");
  }
};

TEST_P(McpDeepMessage, DeepFaultIsSurvived) {
  ExpectSurvives(LogMessage("kubernetes/faults", Nested(GetParam())));
}

TEST_P(McpDeepMessage, DeepMemberOfAFaultIsSurvived) {
  ExpectSurvives(LogMessage("kubernetes/faults", R"({"faultType":)" + Nested(GetParam()) + "}"));
}

TEST_P(McpDeepMessage, DeepSubscriptionErrorIsSurvived) {
  ExpectSurvives(LogMessage("kubernetes/subscription_error", Nested(GetParam())));
}

TEST_P(McpDeepMessage, DeepResponseIsSurvived) {
  ExpectSurvives(R"({"jsonrpc":"2.0","id":1,"result":)" + Nested(GetParam()) + "}");
}

TEST_P(McpDeepMessage, DeepToolResultIsSurvived) {
  Pass(Options().ping_interval);
  Timer();
  ExpectSurvives(R"({"jsonrpc":"2.0","id":)" + std::to_string(request_id_) +
                     R"(,"result":{"content":[{"type":)" + Nested(GetParam()) + "}]}}",
                 MessageOrigin::kPost);
}

TEST_P(McpDeepMessage, DeepRequestParametersAreSurvived) {
  ExpectSurvives(R"({"jsonrpc":"2.0","id":1,"method":"x","params":)" + Nested(GetParam()) + "}");
}

TEST_P(McpDeepMessage, DeepBatchIsSurvived) { ExpectSurvives(Nested(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Depth, McpDeepMessage, ::testing::Values(10'000, 500'000));

}  // namespace
}  // namespace runner::ingest
