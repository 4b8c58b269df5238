// A server may end the event stream of a reply before the reply, which then waits where the stream
// goes on.

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReplyStreamTest : public ConnectionTest {
 protected:
  // The first call of events_subscribe gets the steps of `reply`, every GET but the first, or up to
  // a certain one, those of `rest`.
  void Start(const std::string& reply, const std::string& rest,
             const std::string& until = "\"to\": 1000") {
    StartServerWithRules(R"({"match": {"tool": "events_subscribe", "nth": 1}, "steps": [)" + reply +
                         R"(]}, {"match": {"method": "GET", "from": 2, )" + until +
                         R"(}, "steps": [)" + rest + "]}");
  }
  // Last-Event-ID of every GET; "-" without one.
  std::vector<std::string> LastEventIds() const {
    std::vector<std::string> ids;
    for (const faultsim::HttpRequest& request : server_->requests()) {
      if (request.method == "GET") ids.emplace_back(request.Header("last-event-id").value_or("-"));
    }
    return ids;
  }
};

const std::string kEndsWithId =
    R"("stream", {"event": {"id": "one", "retry": 120, "data": ""}}, "end")";
const std::string kReply =
    R"("stream", {"event": {"id": "two", "data":
       "{\"jsonrpc\": \"2.0\", \"id\": 3, \"result\": {\"content\": [{\"type\": \"text\",
         \"text\": \"{\\\"subscriptionId\\\": \\\"sub-1\\\"}\"}]}}"}}, "end")";

std::string OnOneLine(std::string text) {
  std::erase(text, '\n');
  return text;
}

TEST_F(ReplyStreamTest, ReplyIsFetchedFromTheResumedStream) {
  Start(kEndsWithId, OnOneLine(kReply));
  const auto began = std::chrono::steady_clock::now();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_THAT(LastEventIds(), ElementsAre("-", "one"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(120));
  EXPECT_THAT(failures_, IsEmpty());
  const auto& last = server_->requests().back();
  EXPECT_EQ(last.Header("mcp-session-id"), sessions_.front());
  EXPECT_EQ(last.Header("mcp-protocol-version"), "2025-11-25");
  EXPECT_EQ(last.Header("accept"), "text/event-stream");
}

TEST_F(ReplyStreamTest, ReplyStreamMayEndMoreThanOnce) {
  Start(kEndsWithId,
        R"("stream", {"event": {"id": "more", "retry": 100, "data": ""}}, "end"]},
           {"match": {"method": "GET", "nth": 3}, "steps": [)" +
            OnOneLine(kReply),
        "\"to\": 2");
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_THAT(LastEventIds(), ElementsAre("-", "one", "more"));
}

TEST_F(ReplyStreamTest, MissingReplyEndsWithItsTimeLimit) {
  Start(kEndsWithId, kEndsWithId);
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(1000);
  Connect(options);
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "timeout");
  EXPECT_LE(server_->Requests("GET"), 1 + 1000 / 120);
}

TEST_F(ReplyStreamTest, RefusedResumptionFailsTheRequest) {
  Start(kEndsWithId, R"({"respond": {"status": 405}})");
  Connect();
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "protocol");
  EXPECT_THAT(LastEventIds(), ElementsAre("-", "one"));
}

TEST_F(ReplyStreamTest, StreamWithoutAnIdIsNotResumed) {
  Start(R"("stream", {"event": {"retry": 100, "data": ""}}, "end")", R"("serve")");
  Connect();
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(failures_.front().detail, endpoint_ + ": the answer contains no reply to the request");
  EXPECT_THAT(LastEventIds(), ElementsAre("-"));
}

TEST_F(ReplyStreamTest, ReplyThatIsNotAwaitedIsNotFetched) {
  Start(R"("stream", {"event": {"id": "one", "retry": 300, "data": ""}}, "end")", R"("serve")");
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(150);
  Connect(options);
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "timeout");
  // Timers fire in order: when this one has, the one of the retry is past.
  event_loop_.After(milliseconds(400), [this] { server_->Publish(); });
  RunUntil([&] { return !names_.empty(); });
  EXPECT_THAT(LastEventIds(), ElementsAre("-", "-"));
}

}  // namespace
}  // namespace runner::ingest
