#include "common/observability/http_server.h"

#include <mutex>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tcp_client.h"

namespace runner {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  std::string Ask(const std::string& method, const std::string& target) {
    return AskHttp(server_.port(), method, target);
  }

  std::mutex mutex_;
  std::string error_;
  HttpServer server_{
      {.max_head_age = std::chrono::hours(1)},  // otherwise silent clients are closed by age
      {{"/metrics",
        [](const HttpRequest& request) {
          return HttpResponse{200, "text/x-test", "query=" + request.query + "\n"};
        }},
       {"/broken", [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("boom"); }}},
      [this](std::string_view path, std::string_view what) {
        std::lock_guard lock(mutex_);
        error_ = std::string(path).append(": ").append(what);
      }};
};

TEST_F(HttpServerTest, ServesItsPathsWithTheirTypeAndQuery) {
  EXPECT_THAT(Ask("GET", "/metrics?verbose"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: text/x-test\r\n"),
                    EndsWith("\r\n\r\nquery=verbose\n")));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  EXPECT_THAT(
      Ask("HEAD", "/metrics"),
      AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Length: 7\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, OtherPathsAreNotFound) {
  for (const char* target : {"/", "/metrics/", "/metrics/x", "/../etc/passwd", "/etc/passwd"}) {
    EXPECT_THAT(Ask("GET", target), StartsWith("HTTP/1.1 404")) << target;
  }
}

TEST_F(HttpServerTest, OtherMethodsAreNotAllowed) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    EXPECT_THAT(Ask(method, "/metrics"),
                AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD\r\n")))
        << method;
  }
}

TEST_F(HttpServerTest, AThrowingHandlerCauses500AndIsReported) {
  EXPECT_THAT(Ask("GET", "/broken"),
              AllOf(StartsWith("HTTP/1.1 500"), HasSubstr("Content-Type: text/plain"),
                    Not(HasSubstr("boom"))));
  std::lock_guard lock(mutex_);
  EXPECT_EQ(error_, "/broken: boom");
}

TEST_F(HttpServerTest, TwoServersDoNotShareAPort) {
  HttpServer::Options options;
  options.port = server_.port();
  options.option = "--metrics-port";
  try {
    HttpServer second(options, {}, nullptr);
    FAIL() << "the port is taken";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()),
              "--metrics-port: cannot listen on 127.0.0.1:" + std::to_string(options.port) +
                  ": Address already in use; choose another port, or stop the program that holds "
                  "it");
  }
  EXPECT_THAT(Ask("GET", "/metrics"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServerEndTest, DestructorFreesThePort) {
  std::uint16_t port = 0;
  {
    const HttpServer first({}, {}, nullptr);
    port = first.port();
  }
  EXPECT_FALSE(ConnectTo(port));
}

// A server of /ok on that address.
HttpServer ServerOn(const std::string& host) {
  HttpServer::Options options;
  options.bind_address = host;
  return HttpServer(options, {{"/ok", [](const HttpRequest&) { return HttpResponse{}; }}}, nullptr);
}

class HttpServerAddressTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasIpv6Loopback()) GTEST_SKIP() << "this machine has no ::1";
  }
};

TEST_F(HttpServerAddressTest, TheIpv6LoopbackServesIpv6) {
  const HttpServer server = ServerOn("::1");
  EXPECT_THAT(AskHttp(server.port(), "GET", "/ok", "::1"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(AskHttp(server.port(), "GET", "/ok", "127.0.0.1"), "");
}

TEST_F(HttpServerAddressTest, TheUnspecifiedIpv6AddressServesBoth) {
  const HttpServer server = ServerOn("::");
  EXPECT_THAT(AskHttp(server.port(), "GET", "/ok", "::1"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(AskHttp(server.port(), "GET", "/ok", "127.0.0.1"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerAddressTest, TheUnspecifiedIpv4AddressServesOnlyIpv4) {
  const HttpServer server = ServerOn("0.0.0.0");
  EXPECT_THAT(AskHttp(server.port(), "GET", "/ok", "127.0.0.1"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(AskHttp(server.port(), "GET", "/ok", "::1"), "");
}

TEST_F(HttpServerTest, ResponsesForbidCaching) {
  EXPECT_THAT(Ask("GET", "/metrics"),
              AllOf(HasSubstr("Cache-Control: no-store\r\n"), HasSubstr("Connection: close\r\n")));
}

TEST_F(HttpServerTest, APathIsNotDecoded) {
  for (const char* target : {"/%6detrics", "/metrics%00", "/metrics%3Fx", "//metrics"}) {
    EXPECT_THAT(Ask("GET", target), StartsWith("HTTP/1.1 404")) << target;
  }
}

TEST_F(HttpServerTest, ALargeHeadIsRejected) {
  const UniqueFd client = ConnectTo(server_.port());
  SendText(client, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Large: " + std::string(100'000, 'x') +
                       "\r\n\r\n");
  EXPECT_THAT(ReadToEnd(client), Not(StartsWith("HTTP/1.1 2")));
  EXPECT_THAT(Ask("GET", "/metrics"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ALargeBodyIsNotRead) {
  const UniqueFd client = ConnectTo(server_.port());
  SendText(client, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n" +
                       std::string(5'000, 'x'));
  EXPECT_THAT(ReadToEnd(client), StartsWith("HTTP/1.1 405"));
}

TEST_F(HttpServerTest, GarbageAfterARequestIsNotServed) {
  const UniqueFd client = ConnectTo(server_.port());
  SendText(client, "GET /metrics?1 HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01 garbage\r\n\r\n");
  EXPECT_THAT(ReadToEnd(client), EndsWith("query=1\n"));
}

TEST_F(HttpServerTest, GarbageIsRejected) {
  for (const std::string text :
       {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"}) {
    const UniqueFd client = ConnectTo(server_.port());
    SendText(client, text);
    EXPECT_THAT(ReadToEnd(client), Not(StartsWith("HTTP/1.1 2"))) << text;
  }
  EXPECT_THAT(Ask("GET", "/metrics"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, SilentConnectionsMakeRoomForAProbe) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 400; ++i) silent.push_back(ConnectTo(server_.port()));
  EXPECT_THAT(Ask("GET", "/metrics"), StartsWith("HTTP/1.1 200"));
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(IsClosed(silent[i])) << i;
}

TEST_F(HttpServerTest, SlowHeadsMakeRoomForAProbe) {
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 400; ++i) {
    slow.push_back(ConnectTo(server_.port()));
    SendText(slow.back(), "GET /met");
  }
  EXPECT_THAT(Ask("GET", "/metrics"), StartsWith("HTTP/1.1 200"));
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(IsClosed(slow[i])) << i;
}

TEST(HttpServerEndTest, AClientThatIsTooSlowIsClosed) {
  HttpServer::Options options;
  options.max_head_age = std::chrono::milliseconds(50);
  const HttpServer server(options, {}, nullptr);
  const UniqueFd client = ConnectTo(server.port());
  SendText(client, "GET /met");
  EXPECT_TRUE(IsClosed(client));
}

TEST(HttpServerEndTest, ASlowReaderGetsTheWholeResponse) {
  HttpServer::Options options;
  options.max_head_age = std::chrono::milliseconds(50);
  const std::size_t size = 50'000'000;
  const HttpServer server(
      options,
      {{"/large",
        [=](const HttpRequest&) { return HttpResponse{.body = std::string(size, 'x')}; }}},
      nullptr);
  const UniqueFd slow = ConnectTo(server.port());
  SendText(slow, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  char byte;
  ASSERT_EQ(::recv(slow.Get(), &byte, 1, MSG_PEEK), 1);
  const UniqueFd silent = ConnectTo(server.port());
  EXPECT_TRUE(IsClosed(silent)) << "the time for a request has passed for both";
  EXPECT_GT(ReadToEnd(slow).size(), size);
}

TEST(HttpServerEndTest, UnreadResponsesAreBoundedInBytes) {
  HttpServer::Options options;
  const std::size_t size = 20'000'000;
  options.max_body_bytes = 2 * size;
  const HttpServer server(
      options,
      {{"/large",
        [=](const HttpRequest&) { return HttpResponse{.body = std::string(size, 'x')}; }}},
      nullptr);
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 5; ++i) {
    slow.push_back(ConnectTo(server.port()));
    SendText(slow.back(), "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    char byte;
    ASSERT_EQ(::recv(slow.back().Get(), &byte, 1, MSG_PEEK), 1);
  }
  for (int i = 0; i < 3; ++i) EXPECT_LT(ReadToEnd(slow[i]).size(), size) << i;
  for (int i = 3; i < 5; ++i) EXPECT_GT(ReadToEnd(slow[i]).size(), size) << i;
  EXPECT_GT(AskHttp(server.port(), "GET", "/large").size(), size);
}

TEST(HttpServerEndTest, StopsWhileClientsAreConnected) {
  UniqueFd silent;
  UniqueFd unread;
  {
    const HttpServer server({},
                            {{"/large",
                              [](const HttpRequest&) {
                                HttpResponse response;
                                response.body.resize(50'000'000, 'x');
                                return response;
                              }}},
                            nullptr);
    silent = ConnectTo(server.port());
    unread = ConnectTo(server.port());
    SendText(unread, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    char byte;
    ASSERT_EQ(::recv(unread.Get(), &byte, 1, MSG_PEEK), 1);
  }
  EXPECT_TRUE(IsClosed(silent));
  EXPECT_LT(ReadToEnd(unread).size(), 50'000'000u);
}

TEST(HttpRequestTest, FindsKeysOfTheQuery) {
  EXPECT_TRUE((HttpRequest{"/", "verbose"}).HasQuery("verbose"));
  EXPECT_TRUE((HttpRequest{"/", "a=1&verbose=1"}).HasQuery("verbose"));
  EXPECT_FALSE((HttpRequest{"/", "verbosely&a=verbose"}).HasQuery("verbose"));
  EXPECT_FALSE((HttpRequest{"/", ""}).HasQuery("verbose"));
}

}  // namespace
}  // namespace runner
