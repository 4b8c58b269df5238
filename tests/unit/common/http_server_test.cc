#include "common/http_server.h"

#include <mutex>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/common/http_client.h"

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
      {},
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

TEST_F(HttpServerTest, AnswersItsPathsWithTheirTypeAndQuery) {
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

TEST_F(HttpServerTest, AThrowingHandlerIs500AndReported) {
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
  EXPECT_EQ(AskHttp(port, "GET", "/"), "");
}

TEST(HttpRequestTest, FindsKeysOfTheQuery) {
  EXPECT_TRUE((HttpRequest{"/", "verbose"}).HasQuery("verbose"));
  EXPECT_TRUE((HttpRequest{"/", "a=1&verbose=1"}).HasQuery("verbose"));
  EXPECT_FALSE((HttpRequest{"/", "verbosely&a=verbose"}).HasQuery("verbose"));
  EXPECT_FALSE((HttpRequest{"/", ""}).HasQuery("verbose"));
}

}  // namespace
}  // namespace runner
