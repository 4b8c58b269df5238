// The MCP client against the official conformance suite. Each scenario is a server that observes a
// client.

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/mcp_session.h"
#include "ingest/mcp/protocol/tool_result.h"
#include "ingest/mcp/transport/connection_thread.h"
#include "tests/e2e/npm_program.h"
#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace ingest;
using nlohmann::json;

class ConformanceTest : public ::testing::Test {
 protected:
  void SetUp() override { RUNNER_SKIP_IF_MISSING(NpmProgramMissing("conformance")); }

  // Starts the server of a scenario; returns its URL.
  std::string Serve(const std::string& scenario) {
    ChildProcess::Command command;
    command.argv = NpmProgram("conformance");
    command.argv.insert(command.argv.end(), {"client", "--scenario", scenario, "--output-dir",
                                             (directory_.path() / "results").string()});
    command.directory = directory_.path();
    command.stdout_file = directory_.path() / "suite.out";
    command.stderr_file = directory_.path() / "suite.err";
    server_ = std::make_unique<ChildProcess>(command);
    std::string text;
    Eventually([&] {
      text = ReadFile(command.stdout_file);
      return text.find("Press Ctrl+C") != text.npos || !server_->Running();
    });
    const std::string before = "Server URL: ";
    const auto begin = text.find(before);
    if (begin == text.npos) {
      throw std::runtime_error("the suite does not start: " + ReadFile(command.stderr_file));
    }
    const auto url = begin + before.size();
    return text.substr(url, text.find('\n', url) - url);
  }

  // Runs runner-ingest until its first attempt has failed, as expected: no server here pushes
  // faults. Returns the error.
  std::string Meet(const std::string& url) {
    ServiceProcess ingest(
        "ingest", RUNNER_INGEST,
        {"--mcp-endpoint=" + url, "--mcp-mode=faults", "--grpc-listen=127.0.0.1:0"}, {},
        directory_.path());
    std::vector<json> failures;
    Eventually([&] {
      failures = ingest.log().With("SSE connection failed, retrying");
      return !failures.empty();
    });
    ingest.Terminate();
    EXPECT_EQ(ingest.WaitForExit(kRpcTimeout), 0);
    if (failures.empty()) return ingest.log().Tail(20);
    return failures.front().at("error");
  }

  // Ends the scenario: the suite must have made exactly these checks, all of them passed.
  void ExpectPassed(const std::set<std::string>& expected) {
    server_->Terminate();
    EXPECT_EQ(server_->WaitForExit(kRpcTimeout), 0) << ReadFile(directory_.path() / "suite.err");
    json checks;
    for (const auto& run : std::filesystem::directory_iterator(directory_.path() / "results")) {
      checks = json::parse(ReadFile(run.path() / "checks.json"));
    }
    std::set<std::string> passed;
    for (const json& check : checks) {
      if (Passed(check)) {
        passed.insert(check.at("id"));
      } else {
        EXPECT_EQ(check.at("status"), "INFO") << check.dump(2);
      }
    }
    EXPECT_EQ(passed, expected) << checks.dump(2);
  }

 private:
  static bool Passed(const json& check) {
    if (check.at("status") == "SUCCESS") return true;
    // On a busy machine a retry is more than 200 ms late, for which the suite only warns.
    return check.at("status") == "WARNING" && check.at("details").value("slightlyLate", false);
  }

  const TempDir directory_;
  std::unique_ptr<ChildProcess> server_;
};

TEST_F(ConformanceTest, Initialize) {
  // The scenario knows only initialize and rejects the GET as a malformed POST.
  EXPECT_THAT(
      Meet(Serve("initialize")),
      testing::ContainsRegex("^the server offers no event stream: GET http://[^ ]* answers 400"));
  ExpectPassed({"mcp-client-initialization"});
}

TEST_F(ConformanceTest, SseRetry) {
  // The stream ends before the response to the call, which follows on the resumed stream. It is not
  // a response of events_subscribe.
  EXPECT_THAT(Meet(Serve("sse-retry")),
              testing::EndsWith("events_subscribe: the reply contains no subscriptionId"));
  ExpectPassed(
      {"client-sse-graceful-reconnect", "client-sse-last-event-id", "client-sse-retry-timing"});
}

// The scenario has its own tool and no GET stream; ingest needs a stream and calls tools for faults
// only. So this McpSession is changed in two ways: the stream counts as open, and events_subscribe
// is replaced by the other tool.
class CallingSession final : public McpProtocol {
 public:
  CallingSession(Json call, std::vector<std::string>& replies)
      : call_(std::move(call)), replies_(replies) {}

  McpActions Start(const Instant& now) override { return Change(session_.Start(now), now); }
  McpActions Resume(const Instant& now) override { return Change(session_.Resume(now), now); }
  McpActions Close(const Instant& now) override { return session_.Close(now); }
  void OnListedEvents(EventList list) override { session_.OnListedEvents(std::move(list)); }
  McpActions OnMessage(std::string_view text, MessageOrigin origin, const Instant& now) override {
    for (const JsonRpcMessage& message : reader_.Read(text)) {
      const auto* reply = std::get_if<JsonRpcResponse>(&message);
      if (reply != nullptr)
        replies_.push_back(ToolFailed(*reply) ? "failed" : ToolText(reply->result));
    }
    return Change(session_.OnMessage(text, origin, now), now);
  }
  McpActions OnOversize() override { return session_.OnOversize(); }
  McpActions OnEndlessLine(const Instant& now) override { return session_.OnEndlessLine(now); }
  McpActions OnEndpoint(const std::optional<std::string>& url, const Instant& now) override {
    return session_.OnEndpoint(url, now);
  }
  McpActions OnActivity(const StreamActivity& activity, const Instant& now) override {
    return Change(session_.OnActivity(activity, now), now);
  }
  McpActions OnPostHead(PostId post, const HttpHead& head, const Instant& now) override {
    return Change(session_.OnPostHead(post, head, now), now);
  }
  McpActions OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                        const Instant& now) override {
    return Change(session_.OnPostDone(post, failure, now), now);
  }
  McpActions OnStreamHead(const HttpHead& head, const Instant& now) override {
    return Change(session_.OnStreamHead(head, now), now);
  }
  McpActions OnStreamDone(const std::optional<ConnectionFailure>& failure,
                          const std::string& last_event_id, const Instant& now) override {
    return Change(session_.OnStreamDone(failure, last_event_id, now), now);
  }
  McpActions OnTimer(const Instant& now) override { return Change(session_.OnTimer(now), now); }
  std::optional<MonoTime> NextDeadline() const override { return session_.NextDeadline(); }
  bool Awaits(PostId post) const override { return session_.Awaits(post); }

 private:
  McpActions Change(McpActions actions, const Instant& now) {
    McpActions changed;
    for (McpAction& action : actions) {
      if (std::holds_alternative<OpenStream>(action)) {
        HttpHead open;
        open.status = 200;
        open.content_type = "text/event-stream";
        for (McpAction& next : Change(session_.OnStreamHead(open, now), now)) {
          changed.push_back(std::move(next));
        }
        continue;
      }
      if (auto* post = std::get_if<PostMessage>(&action)) {
        Json body = Json::parse(post->body);
        if (body.at("method") == "tools/call") {
          body["params"] = call_;
          post->body = body.dump();
        }
      }
      changed.push_back(std::move(action));
    }
    return changed;
  }

  static McpSessionOptions Options() {
    McpSessionOptions options;
    options.client_version = "test";
    options.mode = McpMode::kFaults;
    return options;
  }

  EventHistory history_;
  McpSession session_{Options(), history_};
  const Json call_;
  JsonRpcReader reader_;
  std::vector<std::string>& replies_;  // texts of the responses
};

class FirstFailure final : public ConnectionListener {
 public:
  void OnOpened(const std::string&) override {}
  void OnEvent(const std::string&, DecodedEvent, bool) override {}
  void OnSubscribed(const std::string&, const Subscribed&) override {}
  void OnFailed(const std::string&, const ConnectionFailure& failure, Duration,
                int attempt) override {
    if (attempt == 1) failure_.set_value(failure.detail);
  }
  void OnClosed(const std::string&) override {}
  void OnWarning(const std::string&, const McpWarning&) override {}
  void OnEntriesDropped(const std::string&, std::size_t) override {}

  std::future<std::string> Future() { return failure_.get_future(); }

 private:
  std::promise<std::string> failure_;
};

TEST_F(ConformanceTest, ToolsCall) {
  ConnectionOptions options;
  options.cluster = "suite";
  options.endpoint = Serve("tools_call");
  options.initial_delay = std::chrono::minutes(1);  // one attempt only
  const SystemClock clock;
  FirstFailure listener;
  std::vector<std::string> replies;
  std::future<std::string> failure = listener.Future();
  {
    ConnectionThread thread(
        clock, {options}, listener,
        [&replies](const ConnectionOptions&, EventHistory&) {
          const Json call = {{"name", "add_numbers"}, {"arguments", {{"a", 19}, {"b", 23}}}};
          return std::make_unique<CallingSession>(call, replies);
        },
        [] { return false; });
    thread.Start();
    const auto outcome = failure.wait_for(kRpcTimeout);
    thread.Close(std::chrono::seconds(1));
    thread.Join();
    ASSERT_EQ(outcome, std::future_status::ready);
  }
  // The session fails, since a sum is not a subscription.
  EXPECT_THAT(failure.get(),
              testing::EndsWith("events_subscribe: the reply contains no subscriptionId"));
  // The responses to initialize and to the call.
  EXPECT_THAT(replies, ::testing::ElementsAre("", "The sum of 19 and 23 is 42\n"));
  ExpectPassed({"tool-add-numbers"});
}

}  // namespace
}  // namespace runner
