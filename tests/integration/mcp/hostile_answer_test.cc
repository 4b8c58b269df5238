// Answers to requests that are not what they should be: how they are classified and survived.

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"
#include "tests/integration/mcp/resident_memory.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class HostileAnswerTest : public ConnectionTest {
 protected:
  // The first initialize is answered by these steps; everything else is as it should be. Returns
  // the class of the one error until the subscription stands.
  std::string ErrorOfFirst(const std::string& steps, ConnectionOptions options = QuickOptions()) {
    return ErrorWhen(R"("rpc": "initialize", "nth": 1)", steps, std::move(options));
  }
  std::string ErrorWhen(const std::string& match, const std::string& steps,
                        ConnectionOptions options = QuickOptions()) {
    StartServerWithRules(R"({"match": {)" + match + R"(}, "steps": [)" + steps + "]}");
    Connect(std::move(options));
    RunUntil([&] { return !sessions_.empty(); });
    EXPECT_EQ(failures_.size(), 1u);
    return failures_.empty() ? "" : std::string(ToString(failures_.front().error));
  }
};

TEST_F(HostileAnswerTest, HtmlIsAProtocolError) {
  EXPECT_EQ(ErrorOfFirst(R"({"respond": {"headers": {"Content-Type": "text/html"},
                                         "body": "<html>Welcome</html>"}})"),
            "protocol");
}

TEST_F(HostileAnswerTest, EmptyBodyIsAProtocolError) {
  EXPECT_EQ(ErrorOfFirst(R"({"respond": {"headers": {"Content-Type": "application/json"}}})"),
            "protocol");
}

TEST_F(HostileAnswerTest, AnswerToAnotherRequestIsAProtocolError) {
  EXPECT_EQ(ErrorOfFirst(R"({"respond": {"headers": {"Content-Type": "application/json"},
                             "body": "{\"jsonrpc\":\"2.0\",\"id\":999,\"result\":{}}"}})"),
            "protocol");
}

TEST_F(HostileAnswerTest, TruncatedChunksAreAProtocolError) {
  EXPECT_EQ(
      ErrorOfFirst(
          R"({"send": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"json"}, "close")"),
      "protocol");
}

TEST_F(HostileAnswerTest, TruncatedBodyIsAProtocolError) {
  EXPECT_EQ(
      ErrorOfFirst(
          R"({"send": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{\"json"}, "close")"),
      "protocol");
}

TEST_F(HostileAnswerTest, AnswerThatIsNotHttpIsAProtocolError) {
  EXPECT_EQ(ErrorOfFirst(R"({"send": "SSH-2.0-OpenSSH_9.2\r\n"}, "close")"), "protocol");
}

TEST_F(HostileAnswerTest, ClosedConnectionWithoutAnAnswerIsANetworkError) {
  EXPECT_EQ(ErrorOfFirst(R"("close")"), "network");
}

TEST_F(HostileAnswerTest, ResetIsANetworkError) {
  EXPECT_EQ(ErrorOfFirst(R"("reset")"), "network");
}

TEST_F(HostileAnswerTest, ResetInMidAnswerIsANetworkError) {
  EXPECT_EQ(
      ErrorOfFirst(
          R"({"send": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{"}, {"wait": 50}, "reset")"),
      "network");
}

TEST_F(HostileAnswerTest, StalledAnswerTimesOut) {
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(150);
  EXPECT_EQ(ErrorOfFirst(R"("stall")", options), "timeout");
}

TEST_F(HostileAnswerTest, SlowLorisAnswerTimesOut) {
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(150);
  EXPECT_EQ(ErrorOfFirst(R"({"pace": {"bytes": 1, "ms": 20}}, "serve")", options), "timeout");
}

TEST_F(HostileAnswerTest, PiecesOfOneByteChangeNothing) {
  StartServerWithRules(
      R"({"match": {"method": "POST"}, "steps": [{"pace": {"bytes": 1}}, "serve"]})");
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_TRUE(failures_.empty());
}

TEST_F(HostileAnswerTest, BodyWithoutEndIsCutAtTheBound) {
  const std::size_t before = ResidentMemory();
  EXPECT_EQ(
      ErrorOfFirst(
          R"({"send": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"}, {"fill": {}})"),
      "protocol");
  EXPECT_LT(ResidentMemory(), before + (std::size_t{64} << 20));
}

// A transfer is paused where some 256 KiB wait to be delivered. What is held back then is refused,
// if it is too much, when the transfer is resumed: bounds behind that point, a read of libcurl
// apart.
TEST_F(HostileAnswerTest, BodyOverTheBoundAfterAPauseIsCutAtOnce) {
  struct Handler final : HttpHandler {
    explicit Handler(std::function<void()> ended) : on_end(std::move(ended)) {}
    void OnHead(const HttpHead&) override {}
    void OnBody(std::string_view) override {}
    void OnDone(const std::optional<ConnectionFailure>& failure) override {
      error = failure ? ToString(failure->error) : "none";
      on_end();
    }
    const std::function<void()> on_end;
    std::string error;
  };
  StartServerWithRules(R"({"match": {}, "steps": [
      {"send": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"}, {"fill": {}}]})");
  for (std::size_t bound = 258; bound <= 288; ++bound) {
    Handler handler([this] { Changed(); });
    HttpRequest request;
    request.method = "GET";
    request.url = endpoint_;
    request.max_body = bound << 10;
    request.timeout = std::chrono::minutes(1);  // longer than this test waits
    const auto id = http_.Start(request, handler);
    RunUntil([&] { return !handler.error.empty(); });
    EXPECT_EQ(handler.error, "protocol") << bound << " KiB";
    http_.Cancel(id);
  }
}

TEST_F(HostileAnswerTest, HeadWithoutEndIsCutOff) {
  const std::size_t before = ResidentMemory();
  EXPECT_EQ(ErrorOfFirst(
                R"({"send": "HTTP/1.1 200 OK\r\n"}, {"fill": {"with": "X-Again: and again\r\n"}})"),
            "protocol");
  EXPECT_LT(ResidentMemory(), before + (std::size_t{64} << 20));
}

TEST_F(HostileAnswerTest, HeaderLineWithoutEndIsCutOff) {
  EXPECT_EQ(ErrorOfFirst(R"({"send": "HTTP/1.1 200 OK\r\nX-Long: "}, {"fill": {}})"), "protocol");
}

TEST_F(HostileAnswerTest, CompressedAnswerIsAProtocolErrorAndIsNotExpanded) {
  const std::size_t before = ResidentMemory();
  StartServerWithScript("gzip-bomb.json");
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(ToString(failures_[0].error), "protocol");
  EXPECT_LT(ResidentMemory(), before + (std::size_t{16} << 20));
  for (const auto& request : server_->requests()) {
    EXPECT_FALSE(request.Header("accept-encoding")) << "never offered";
  }
}

TEST_F(HostileAnswerTest, RedirectIsNotFollowedAndNoHeaderIsSentElsewhere) {
  LoopbackServer elsewhere(event_loop_, clock_, "127.0.0.1:0");
  // After initialize every request carries the session.
  EXPECT_EQ(ErrorWhen(R"("method": "GET", "nth": 1)",
                      R"({"redirect": "http://)" + elsewhere.address() + R"(/mcp"})"),
            "protocol");
  EXPECT_THAT(delays_, ElementsAre(QuickOptions().max_delay));
  EXPECT_TRUE(elsewhere.requests().empty());
  TearDown();  // before `elsewhere`, which is of the same loop
}

TEST_F(HostileAnswerTest, RedirectLoopIsNotFollowed) {
  EXPECT_EQ(ErrorOfFirst(R"({"redirect": {"status": 302, "to": "/mcp"}})"), "protocol");
  EXPECT_THAT(delays_, ElementsAre(QuickOptions().max_delay));
}

TEST_F(HostileAnswerTest, ForbiddenIsAnAuthErrorAndRetriedSlowly) {
  EXPECT_EQ(ErrorOfFirst(R"({"respond": {"status": 403}})"), "auth");
  EXPECT_THAT(delays_, ElementsAre(QuickOptions().max_delay));
}

TEST_F(HostileAnswerTest, ForgottenSessionIsReplaced) {
  ping_interval_ = milliseconds(50);
  EXPECT_EQ(ErrorWhen(R"("tool": "events_subscribe", "nth": 1)", R"({"respond": {"status": 404}})"),
            "session_expired");
  EXPECT_EQ(server_->Requests("DELETE"), 0) << "there is nothing to delete";
}

TEST_F(HostileAnswerTest, RefusedSubscriptionIsASubscriptionError) {
  EXPECT_EQ(ErrorWhen(R"("tool": "events_subscribe", "nth": 1)",
                      R"({"respond": {"headers": {"Content-Type": "application/json"},
                          "body": "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"isError\":true,\"content\":[]}}"}})"),
            "subscription");
}

}  // namespace
}  // namespace runner::ingest
