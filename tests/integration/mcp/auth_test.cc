// Tokens and headers: what every request carries, and what happens when a server refuses it.

#include <chrono>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"
#include "tests/support/temp_dir.h"

namespace runner::ingest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;

class AuthTest : public ConnectionTest {
 protected:
  void WriteToken(const std::string& token) { support::WriteFile(TokenFile(), token + "\n"); }
  std::filesystem::path TokenFile() const { return directory_.path() / "token"; }
  ConnectionOptions WithToken() const {
    ConnectionOptions options = QuickOptions();
    options.token_file = TokenFile();
    return options;
  }
  // How many requests carried this token.
  int Carried(const std::string& token) const {
    int count = 0;
    for (const auto& request : server_->requests()) {
      count += request.Header("authorization") == "Bearer " + token ? 1 : 0;
    }
    return count;
  }

 private:
  support::TempDir directory_;
};

TEST_F(AuthTest, TokenAndHeadersGoWithEveryRequest) {
  StartServer();
  WriteToken("abc");
  server_->RequireToken("abc");
  ConnectionOptions options = WithToken();
  options.headers = {{"X-Team", "sre"}, {"User-Agent", "ours"}};
  Connect(options);
  RunUntil([&] { return !sessions_.empty(); });
  Close();
  for (const char* method : {"POST", "GET", "DELETE"}) EXPECT_GE(server_->Requests(method), 1);
  for (const auto& request : server_->requests()) {
    EXPECT_THAT(request.Header("authorization"), Optional(Eq("Bearer abc"))) << request.method;
    EXPECT_THAT(request.Header("x-team"), Optional(Eq("sre"))) << request.method;
    EXPECT_THAT(request.Header("user-agent"), Optional(Eq("ours"))) << request.method;
  }
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(AuthTest, EchoedCredentialsAreMasked) {
  const std::string echo = R"({\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":)"
                           R"(\"bad token abc-of-the-token, key of-the-header, q of-the-query\"}})";
  StartServerWithRules(R"({"match": {"rpc": "initialize", "nth": 1}, "steps": [{"respond": {
                           "headers": {"Content-Type": "application/json"}, "body": ")" +
                       echo + "\"}}]}");
  WriteToken("abc-of-the-token");
  ConnectionOptions options = WithToken();
  endpoint_ += "?q=of-the-query";
  options.headers = {{"X-Key", "of-the-header"}};
  Connect(options);
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_THAT(failures_.front().detail, HasSubstr("bad token ***, key ***, q ***"));
}

TEST_F(AuthTest, NoAuthorizationIsSentUnlessConfigured) {
  StartServer();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  for (const auto& request : server_->requests()) {
    EXPECT_FALSE(request.Header("authorization"));
    EXPECT_THAT(request.Header("user-agent"), Optional(Eq("kubernetes-mcp-runner")));
  }
}

TEST_F(AuthTest, RefusedTokenIsReadAgainAndTheRequestRepeated) {
  StartServer();
  WriteToken("old");
  server_->RequireToken("new");
  Connect(WithToken());
  WriteToken("new");  // the first request is on its way with the old one
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_EQ(Carried("old"), 1);
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(AuthTest, ReplacedTokenIsUsed) {
  StartServer();
  WriteToken("one");
  server_->RequireToken("one");
  Connect(WithToken());
  RunUntil([&] { return !sessions_.empty(); });
  WriteToken("two");
  server_->RequireToken("two");
  const int before = Carried("one");
  server_->EndStreams();
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(sessions_[0], sessions_[1]) << "the session goes on";
  EXPECT_EQ(Carried("one"), before);
  Close();
  EXPECT_THAT(server_->requests().back().Header("authorization"), Optional(Eq("Bearer two")));
}

TEST_F(AuthTest, TokenRefusedTwiceIsAnAuthErrorAndRetriedSlowly) {
  StartServer();
  WriteToken("wrong");
  server_->RequireToken("right");
  Connect(WithToken());
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "auth");
  EXPECT_THAT(delays_, ElementsAre(QuickOptions().max_delay));
  EXPECT_EQ(Carried("wrong"), 2) << "once more with what the file holds, and no more";
  EXPECT_THAT(failures_.front().detail, Not(HasSubstr("wrong")));
  WriteToken("right");
  RunUntil([&] { return !sessions_.empty(); });
}

TEST_F(AuthTest, RefusedStreamIsOpenedWithTheNewToken) {
  StartServerWithRules(
      R"({"match": {"method": "GET", "nth": 1}, "steps": [{"respond": {"status": 401}}]})");
  WriteToken("abc");
  Connect(WithToken());
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_EQ(server_->Requests("GET"), 2);
  EXPECT_THAT(failures_, IsEmpty());
  EXPECT_EQ(server_->Publish(), 1u);
  RunUntil([&] { return !names_.empty(); });
}

TEST_F(AuthTest, ForbiddenRequestIsNotRepeated) {
  StartServer();
  WriteToken("abc");
  server_->RefuseWith(403);
  Connect(WithToken());
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "auth");
  EXPECT_EQ(server_->Requests("POST"), 1);
}

TEST_F(AuthTest, MissingTokenFileSendsNothing) {
  StartServer();
  Connect(WithToken());
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "auth");
  EXPECT_THAT(failures_.front().detail,
              AllOf(HasSubstr(TokenFile().string()), HasSubstr("No such file")));
  EXPECT_THAT(delays_, ElementsAre(QuickOptions().max_delay));
  EXPECT_THAT(server_->requests(), IsEmpty());
  WriteToken("abc");
  RunUntil([&] { return !sessions_.empty(); });
}

TEST_F(AuthTest, RemovedTokenFileEndsTheSubscriptionAtTheNextStream) {
  StartServer();
  WriteToken("abc");
  Connect(WithToken());
  RunUntil([&] { return !sessions_.empty(); });
  std::filesystem::remove(TokenFile());
  server_->EndStreams();
  RunUntil([&] { return failures_.size() == 2; });
  EXPECT_EQ(ToString(failures_[0].error), "stream_closed");
  EXPECT_EQ(ToString(failures_[1].error), "auth");
  WriteToken("abc");
  RunUntil([&] { return sessions_.size() == 2; });
}

TEST_F(AuthTest, TokenIsNotSentToAnotherOrigin) {
  LoopbackServer elsewhere(event_loop_, clock_, "127.0.0.1:0");
  StartServerWithRules(R"({"match": {"rpc": "initialize"}, "steps": [{"redirect": "http://)" +
                       elsewhere.address() + R"(/mcp"}]})");
  WriteToken("abc");
  Connect(WithToken());
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "protocol");
  EXPECT_THAT(elsewhere.requests(), IsEmpty());
  TearDown();  // before `elsewhere`, which is of the same loop
}

}  // namespace
}  // namespace runner::ingest
