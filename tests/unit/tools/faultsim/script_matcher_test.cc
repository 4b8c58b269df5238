#include "tools/faultsim/script_matcher.h"

#include <string>

#include <gtest/gtest.h>

#include "tools/faultsim/script_parser.h"

namespace runner::faultsim {
namespace {

HttpRequest Request(const std::string& method, const std::string& path,
                    const std::string& body = "", const std::string& session = "") {
  HttpRequest request;
  request.method = method;
  request.path = path;
  if (!session.empty()) request.headers = {{"mcp-session-id", session}};
  request.body = body;
  return request;
}

std::string Call(const std::string& tool) {
  return R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":")" + tool + "\"}}";
}

class ScriptMatcherTest : public testing::Test {
 protected:
  void Follow(const std::string& match) {
    matcher_ = ScriptMatcher(
        ParseScript(R"({"rules": [{"match": {)" + match + R"(}, "steps": ["reset"]}]})"));
  }
  bool Matches(const HttpRequest& request) { return matcher_.Match(request) != nullptr; }

  ScriptMatcher matcher_;
};

TEST_F(ScriptMatcherTest, AScriptWithoutRulesMatchesNothing) {
  EXPECT_FALSE(Matches(Request("GET", "/mcp")));
}

TEST_F(ScriptMatcherTest, ARuleWithoutConditionsMatchesEverything) {
  Follow("");
  EXPECT_TRUE(Matches(Request("GET", "/mcp")));
  EXPECT_TRUE(Matches(Request("POST", "/x", "not json")));
}

TEST_F(ScriptMatcherTest, ARequestMustMeetEveryCondition) {
  Follow(R"("method": "POST", "path": "/mcp", "rpc": "tools/call", "tool": "a")");
  EXPECT_TRUE(Matches(Request("POST", "/mcp", Call("a"))));
  EXPECT_FALSE(Matches(Request("PUT", "/mcp", Call("a"))));
  EXPECT_FALSE(Matches(Request("POST", "/mc", Call("a"))));
  EXPECT_FALSE(Matches(Request("POST", "/mcp", Call("b"))));
  EXPECT_FALSE(Matches(Request("POST", "/mcp", R"({"method":"ping"})")));
  for (const char* body : {"", "[]", "1", R"({"method":1})", R"({"method":"tools/call"})",
                           R"({"method":"tools/call","params":[]})"}) {
    EXPECT_FALSE(Matches(Request("POST", "/mcp", body))) << body;
  }
}

TEST_F(ScriptMatcherTest, ATrailingStarMatchesAnySuffix) {
  Follow(R"("path": "/c/*")");
  EXPECT_TRUE(Matches(Request("GET", "/c/a/mcp")));
  EXPECT_TRUE(Matches(Request("GET", "/c/")));
  EXPECT_FALSE(Matches(Request("GET", "/mcp")));
}

TEST_F(ScriptMatcherTest, ARuleAppliesOnlyWithinItsRange) {
  Follow(R"("method": "GET", "from": 2, "to": 3)");
  EXPECT_FALSE(Matches(Request("GET", "/")));
  EXPECT_FALSE(Matches(Request("POST", "/"))) << "does not count";
  EXPECT_TRUE(Matches(Request("GET", "/")));
  EXPECT_TRUE(Matches(Request("GET", "/")));
  EXPECT_FALSE(Matches(Request("GET", "/")));
}

TEST_F(ScriptMatcherTest, SessionsAreCountedSeparately) {
  Follow(R"("nth": 2, "per": "session")");
  EXPECT_FALSE(Matches(Request("GET", "/", "", "one")));
  EXPECT_FALSE(Matches(Request("GET", "/", "", "two")));
  EXPECT_TRUE(Matches(Request("GET", "/", "", "one")));
  EXPECT_TRUE(Matches(Request("GET", "/", "", "two")));
  EXPECT_FALSE(Matches(Request("GET", "/", "", "one")));
}

TEST_F(ScriptMatcherTest, TheFirstMatchingRuleAppliesAndTheOthersKeepCounting) {
  matcher_ = ScriptMatcher(ParseScript(R"({"rules": [
    {"match": {"nth": 1}, "steps": ["reset"]},
    {"match": {"nth": 2}, "steps": ["reset", "reset"]}]})"));
  EXPECT_EQ(matcher_.Match(Request("GET", "/"))->size(), 1u);
  EXPECT_EQ(matcher_.Match(Request("GET", "/"))->size(), 2u);
  EXPECT_FALSE(Matches(Request("GET", "/")));
}

}  // namespace
}  // namespace runner::faultsim
