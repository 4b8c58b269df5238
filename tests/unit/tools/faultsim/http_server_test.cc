#include "tools/faultsim/http_server.h"

#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/integration/mcp/resident_memory.h"
#include "tests/unit/tools/faultsim/raw_client.h"
#include "tools/faultsim/fault_generator.h"
#include "tools/faultsim/fault_pump.h"
#include "tools/faultsim/listener.h"
#include "tools/faultsim/mcp_server.h"

namespace runner::faultsim {
namespace {

std::string Request(int id, const std::string& method, const std::string& params = "{}") {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":")" + method +
         R"(","params":)" + params + "}";
}

// The simulator on a free port, on its own thread.
class HttpServerTest : public testing::Test {
 protected:
  static constexpr FaultPump::Pace kPace = {100'000, 12'000};

  HttpServerTest()
      : event_loop_(clock_),
        listener_(ListenOn("127.0.0.1:0")),
        port_(std::stoi(BoundAddress(listener_.Get()).substr(10))),
        server_(event_loop_, std::move(listener_)),
        mcp_(server_, clock_, "simulated"),
        pump_(event_loop_, mcp_, server_, FaultGenerator("simulated", 1), kPace, {}) {
    server_.Serve(mcp_);
    thread_ = std::thread([this] { event_loop_.Run(); });
  }
  ~HttpServerTest() override {
    event_loop_.Stop();
    thread_.join();
  }

  std::string NewSession(Client& client) {
    const std::string answer = client.Post("", Request(1, "initialize"));
    const auto at = answer.find("Mcp-Session-Id: ") + 16;
    const std::string session = answer.substr(at, answer.find('\r', at) - at);
    client.Post(session, R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    return session;
  }
  static std::string OpenStream(Client& client, const std::string& session) {
    client.Send("GET /mcp HTTP/1.1\r\nAccept: text/event-stream\r\nMcp-Session-Id: " + session +
                "\r\n\r\n");
    return client.ReadUntil("\r\n\r\n");
  }
  static void Subscribe(Client& client, const std::string& session) {
    client.Post(session, Request(2, "logging/setLevel", R"({"level":"info"})"));
    const std::string answer = client.Post(
        session,
        Request(3, "tools/call", R"({"name":"events_subscribe","arguments":{"mode":"faults"}})"));
    EXPECT_NE(answer.find("# Event Subscription Created"), std::string::npos) << answer;
  }

  bool Congested() {
    std::promise<bool> congested;
    event_loop_.Post([&] { congested.set_value(server_.Congested()); });
    return congested.get_future().get();
  }

  SystemClock clock_;
  EventLoop event_loop_;
  UniqueFd listener_;
  int port_;
  HttpServer server_;
  McpServer mcp_;
  FaultPump pump_;
  std::thread thread_;
};

TEST_F(HttpServerTest, SendsFaultsAfterTheSubscription) {
  Client post(port_);
  Client get(port_);
  const std::string session = NewSession(post);
  EXPECT_TRUE(OpenStream(get, session).starts_with("HTTP/1.1 200 OK\r\n"));
  Subscribe(post, session);
  for (std::uint64_t i = 0; i < kPace.count; ++i) {
    const std::string event = get.ReadUntil("\n\n\r\n");
    ASSERT_NE(event.find(R"("logger":"kubernetes/faults")"), std::string::npos) << i << event;
  }
  // All faults are sent; the server keeps serving.
  EXPECT_NE(post.Post(session, Request(9, "ping")).find("\"id\":9"), std::string::npos);
}

TEST_F(HttpServerTest, AStreamThatIsNotReadPausesTheFaults) {
  Client post(port_);
  const std::string session = NewSession(post);
  Client get(port_);
  OpenStream(get, session);
  Subscribe(post, session);
  while (!Congested()) {
  }
  EXPECT_NE(post.Post(session, Request(9, "ping")).find("result"), std::string::npos);
  std::uint64_t events = 0;
  while (events < kPace.count && !get.ReadUntil("\n\n\r\n").empty()) ++events;
  EXPECT_EQ(events, kPace.count);
}

TEST_F(HttpServerTest, DeleteEndsTheStreamCleanly) {
  Client post(port_);
  Client get(port_);
  const std::string session = NewSession(post);
  OpenStream(get, session);
  post.Send("DELETE /mcp HTTP/1.1\r\nMcp-Session-Id: " + session + "\r\n\r\n");
  EXPECT_TRUE(post.ReadUntil("\r\n\r\n").starts_with("HTTP/1.1 204"));
  EXPECT_EQ(get.ReadAll(), "0\r\n\r\n");
}

TEST_F(HttpServerTest, AClosedStreamCanBeOpenedAgain) {
  Client post(port_);
  const std::string session = NewSession(post);
  {
    Client get(port_);
    EXPECT_TRUE(OpenStream(get, session).starts_with("HTTP/1.1 200"));
    Client second(port_);
    EXPECT_TRUE(OpenStream(second, session).starts_with("HTTP/1.1 409"));
  }
  // The server may accept the new stream only after it has noticed the close.
  for (;;) {
    Client again(port_);
    if (OpenStream(again, session).starts_with("HTTP/1.1 200")) break;
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Client client(port_);
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
  client.Send(bytes);
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(client.ReadUntil("endpoint is /mcp\n").find("404"), std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, AHalfClosedClientReceivesItsResponse) {
  Client client(port_);
  client.Send("GET /nothing HTTP/1.1\r\n\r\n");
  client.HalfClose();
  EXPECT_TRUE(client.ReadAll().starts_with("HTTP/1.1 404"));
}

TEST_F(HttpServerTest, HonoursConnectionClose) {
  Client client(port_);
  client.Send("GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(client.ReadAll().find("Connection: close"), std::string::npos);
}

TEST_F(HttpServerTest, ATooLargeRequestReceives413BeforeItIsRead) {
  Client client(port_);
  client.Send("POST /mcp HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + std::string(300'000, 'x'));
  EXPECT_TRUE(client.ReadAll().starts_with("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, AThousandIdleStreamsUseLittleMemory) {
  constexpr int kStreams = 1000;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 2 * kStreams + 100) GTEST_SKIP() << "too few descriptors are allowed";
  const std::size_t before = ResidentMemory();
  std::vector<Client> clients;
  for (int i = 0; i < kStreams; ++i) {
    clients.emplace_back(port_);
    const std::string session = NewSession(clients.back());
    ASSERT_TRUE(OpenStream(clients.back(), session).starts_with("HTTP/1.1 200")) << i;
  }
  EXPECT_LT(ResidentMemory(), before + (std::size_t{32} << 20)) << "of both ends";
}

TEST(Listener, RejectsInvalidAndUsedAddresses) {
  EXPECT_THROW(ListenOn("127.0.0.1"), std::runtime_error);
  EXPECT_THROW(ListenOn("127.0.0.1:"), std::runtime_error);
  EXPECT_THROW(ListenOn("127.0.0.1:http?"), std::runtime_error);
  const UniqueFd taken = ListenOn("127.0.0.1:0");
  EXPECT_THROW(ListenOn(BoundAddress(taken.Get())), std::runtime_error);
}

}  // namespace
}  // namespace runner::faultsim
