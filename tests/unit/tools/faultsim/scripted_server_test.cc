// Checks the bytes that scripts send.

#include "tools/faultsim/scripted_server.h"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/loop/event_loop.h"
#include "tests/integration/mcp/resident_memory.h"
#include "tests/unit/tools/faultsim/raw_client.h"
#include "tools/faultsim/http_server.h"
#include "tools/faultsim/listener.h"
#include "tools/faultsim/script_parser.h"

namespace runner::faultsim {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Answers each request with "hello", and GET with a stream.
class Hello final : public HttpHandler {
 public:
  HttpResponse Answer(ConnectionId connection, const HttpRequest& request) override {
    if (request.method != "GET") return {200, {}, "hello"};
    stream = connection;
    HttpResponse response;
    response.stream = true;
    return response;
  }
  void OnStreamClosed(ConnectionId) override { ++closed; }

  ConnectionId stream = 0;
  int closed = 0;
};

constexpr const char* kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
constexpr const char* kStreamHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

class ScriptedServerTest : public testing::Test {
 protected:
  ScriptedServerTest()
      : listener_(ListenOn("127.0.0.1:0")),
        port_(std::stoi(BoundAddress(listener_.Get()).substr(10))),
        server_(event_loop_, std::move(listener_)) {}
  ~ScriptedServerTest() override {
    event_loop_.Stop();
    if (thread_.joinable()) thread_.join();
  }

  // Answers every request with these steps.
  void Follow(const std::string& steps) {
    FollowScript(R"({"rules": [{"steps": [)" + steps + "]}]}");
  }
  void FollowScript(const std::string& script) {
    scripted_ = std::make_unique<ScriptedServer>(hello_, ParseScript(script));
    server_.Serve(*scripted_);
    thread_ = std::thread([this] { event_loop_.Run(); });
  }
  Client Ask(const std::string& method = "POST") {
    Client client(port_);
    client.Send(method + " / HTTP/1.1\r\n\r\n");
    return client;
  }
  // Returns everything that is sent until the connection ends.
  std::string Answer(const std::string& method = "POST") { return Ask(method).ReadAll(); }
  void OnLoop(std::function<void()> task) {
    std::promise<void> done;
    event_loop_.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().get();
  }

  SystemClock clock_;
  EventLoop event_loop_{clock_};
  UniqueFd listener_;
  int port_;
  HttpServer server_;
  Hello hello_;
  std::unique_ptr<ScriptedServer> scripted_;
  std::thread thread_;
};

TEST_F(ScriptedServerTest, SendSendsTheBytesAndCloses) {
  Follow(R"({"send": "\u0000\u00ff not HTTP"})");
  EXPECT_EQ(Answer(), std::string("\0\xff not HTTP", 11));
}

TEST_F(ScriptedServerTest, ServeSendsThePlainResponseAndKeepsTheConnection) {
  Follow(R"("serve")");
  Client client = Ask();
  EXPECT_EQ(client.ReadUntil("hello"), kHello);
  client.Send("POST / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.ReadAll().find("Connection: close"), std::string::npos);
}

TEST_F(ScriptedServerTest, RespondSendsAWholeResponseAndKeepsTheConnection) {
  Follow(R"({"respond": {"status": 429, "headers": {"Retry-After": "-5"}, "body": "no"}})");
  Client client = Ask();
  client.Send("POST / HTTP/1.1\r\n\r\n");
  const std::string answer =
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: -5\r\nContent-Length: 2\r\n\r\nno";
  EXPECT_EQ(client.ReadUntil("no"), answer);
  EXPECT_EQ(client.ReadUntil("no"), answer);
}

TEST_F(ScriptedServerTest, RedirectNamesItsTarget) {
  Follow(R"({"redirect": "http://elsewhere/"})");
  EXPECT_EQ(Ask().ReadUntil("\r\n\r\n"),
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere/\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST_F(ScriptedServerTest, PaceSplitsTheResponse) {
  Follow(R"({"pace": {"bytes": 4, "ms": 5}}, "serve", "close")");
  Client client = Ask();
  const auto begin = steady_clock::now();
  EXPECT_EQ(client.ReadAll(), kHello);
  // 43 bytes in pieces of 4: at least nine pauses after the clock was read.
  EXPECT_GE(steady_clock::now() - begin, milliseconds(45));
}

TEST_F(ScriptedServerTest, PaceWithoutAPauseLosesNothing) {
  Follow(R"({"pace": {"bytes": 1}}, {"fill": {"bytes": 5000, "with": "ab"}})");
  EXPECT_EQ(Answer().size(), 5000u);
}

TEST_F(ScriptedServerTest, StreamWritesAreChunks) {
  Follow(
      R"("stream", {"write": "abc"}, {"comment": "c"}, {"event": {"data": "d"}}, "end", "close")");
  EXPECT_EQ(Answer(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
            "\r\n\r\n3\r\nabc\r\n4\r\n:c\n\n\r\n9\r\ndata: d\n\n\r\n0\r\n\r\n");
}

TEST_F(ScriptedServerTest, ChunkSplitsTheBody) {
  Follow(R"({"chunk": 2}, "stream", {"write": "abcde"}, "end")");
  Client client = Ask();
  client.ReadUntil("\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n");
  client.Send("POST / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("\r\n").starts_with("HTTP/1.1 200")) << "after end it goes on";
}

TEST_F(ScriptedServerTest, SendInAStreamIsNoChunk) {
  Follow(R"("stream", {"send": "5\r\nab"}, "close")");
  EXPECT_TRUE(Answer().ends_with("\r\n\r\n5\r\nab"));
}

TEST_F(ScriptedServerTest, AServedStreamContinuesAfterTheSteps) {
  Follow(R"("serve", {"chunk": 3}, {"write": "1234"})");
  Client client = Ask("GET");
  EXPECT_EQ(client.ReadUntil("4\r\n"), kStreamHead + std::string("3\r\n123\r\n1\r\n4\r\n"));
  OnLoop([&] { server_.SendEvent(hello_.stream, "x"); });
  EXPECT_EQ(client.ReadUntil("x\n\n\r\n"),
            "3\r\neve\r\n3\r\nnt:\r\n3\r\n me\r\n3\r\nssa\r\n3\r\nge\n\r\n"
            "3\r\ndat\r\n3\r\na: \r\n3\r\nx\n\n\r\n")
      << "cut into chunks as well";
}

TEST_F(ScriptedServerTest, RepeatRunsItsStepsTheGivenNumberOfTimes) {
  Follow(R"({"repeat": {"times": 3, "steps": [
             {"send": "a"}, {"repeat": {"times": 2, "steps": [{"send": "b"}]}}]}}, {"send": "c"})");
  EXPECT_EQ(Answer(), "abbabbabbc");
}

TEST_F(ScriptedServerTest, EndlessStepsDoNotStarveOtherConnections) {
  FollowScript(R"({"rules": [
    {"match": {"method": "GET"}, "steps": [{"repeat": {"steps": [{"send": "x"}]}}]},
    {"match": {"method": "PUT"}, "steps": [{"repeat": {"steps": [{"chunk": 1}]}}]},
    {"match": {"method": "DELETE"}, "steps": [{"fill": {}}]}]})");
  Client reader = Ask("GET");
  Client spinner = Ask("PUT");
  Client filled = Ask("DELETE");
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(reader.ReadSome().empty());
    EXPECT_FALSE(filled.ReadSome().empty());
    EXPECT_EQ(Ask().ReadUntil("hello"), kHello);
  }
}

TEST_F(ScriptedServerTest, FloodNumbersItsEvents) {
  Follow(R"({"flood": {"count": 2000, "data": "{n}."}})");
  std::string expected;
  for (int i = 1; i <= 2000; ++i) {
    expected += "event: message\ndata: " + std::to_string(i) + ".\n\n";
  }
  EXPECT_EQ(Answer(), expected);
}

TEST_F(ScriptedServerTest, WaitDelaysTheNextStep) {
  Follow(R"({"send": "a"}, {"wait": 40}, {"send": "b"})");
  const auto begin = steady_clock::now();
  Client client = Ask();
  EXPECT_EQ(client.ReadUntil("a"), "a");
  EXPECT_EQ(client.ReadAll(), "b");
  EXPECT_GE(steady_clock::now() - begin, milliseconds(40));
}

TEST_F(ScriptedServerTest, StallSendsNothingAndKeepsTheConnection) {
  Follow(R"("stall")");
  Client client = Ask();
  EXPECT_TRUE(client.SilentFor(milliseconds(50)));
}

TEST_F(ScriptedServerTest, MuteDropsTheEventsOfTheServer) {
  Follow(R"("serve", "mute")");
  Client client = Ask("GET");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), kStreamHead);
  OnLoop([&] {
    server_.SendEvent(hello_.stream, "x");
    server_.EndStream(hello_.stream);
  });
  EXPECT_TRUE(client.SilentFor(milliseconds(50)));
}

TEST_F(ScriptedServerTest, ResetSendsRst) {
  Follow(R"({"send": "part"}, "reset")");
  Client client = Ask();
  while (!client.ReadSome().empty()) {
  }
  EXPECT_EQ(client.error(), ECONNRESET);
}

TEST_F(ScriptedServerTest, HalfCloseClosesOneDirection) {
  Follow(R"({"send": "a"}, "half_close", "stall")");
  Client client = Ask();
  EXPECT_EQ(client.ReadAll(), "a");
  EXPECT_EQ(client.error(), 0);
  client.Send("the other direction takes this");
  EXPECT_EQ(client.ReadSome(), "");
  EXPECT_EQ(client.error(), 0) << "no reset";
}

TEST_F(ScriptedServerTest, AResetStreamIsReportedToTheServer) {
  Follow(R"("serve", {"wait": 1}, "reset")");
  Client client = Ask("GET");
  while (!client.ReadSome().empty()) {
  }
  OnLoop([&] { EXPECT_EQ(hello_.closed, 1); });
}

TEST_F(ScriptedServerTest, ADisconnectedClientEndsTheSteps) {
  Follow(R"("serve", {"repeat": {"steps": [{"wait": 1}, {"comment": "k"}]}})");
  {
    Client client = Ask("GET");
    client.ReadUntil(":k");
  }
  const auto limit = steady_clock::now() + std::chrono::seconds(20);
  bool closed = false;
  while (!closed && steady_clock::now() < limit) OnLoop([&] { closed = hello_.closed == 1; });
  EXPECT_TRUE(closed);
}

TEST_F(ScriptedServerTest, AClientThatDoesNotReadPausesTheFlood) {
  Follow(R"("stream", {"flood": {}})");
  Client client = Ask("GET");
  client.ReadUntil("event");
  const std::size_t before = ResidentMemory();
  std::vector<Client> others;
  for (int i = 0; i < 100; ++i) {
    others.push_back(Ask("GET"));
    EXPECT_EQ(others.back().ReadUntil("200"), "HTTP/1.1 200");
  }
  EXPECT_LT(ResidentMemory(), before + (std::size_t{64} << 20));
}

}  // namespace
}  // namespace runner::faultsim
