// The errors of a server that refuses or cannot be reached: each names the attempt, the response,
// and the remedy.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class RefusalTest : public ConnectionTest {
 protected:
  // The detail of the first failure, with HOST for the address of the server. docs/servers.md lists
  // each; they are printed so that they can be read.
  std::string Detail(ConnectionOptions options = QuickOptions(), bool any_transport = false) {
    if (any_transport) {
      McpSessionOptions session;
      session.client_version = "test";
      session.mode = McpMode::kFaults;
      session.request_timeout = options.request_timeout;
      ConnectWith(std::move(options), [session](const ConnectionOptions&, EventHistory& history) {
        return std::make_unique<McpSession>(session, history);
      });
    } else {
      Connect(std::move(options));
    }
    RunUntil([&] { return !failures_.empty(); });
    std::string detail = failures_.front().detail;
    if (server_) {
      for (std::size_t at = 0; (at = detail.find(server_->address())) != std::string::npos;) {
        detail.replace(at, server_->address().size(), "HOST");
      }
    }
    std::printf("  %s: %s\n", std::string(ToString(failures_.front().error)).c_str(),
                detail.c_str());
    EXPECT_EQ(detail.find('\n'), std::string::npos);
    return detail;
  }
  std::string DetailAfter(const std::string& steps,
                          const std::string& match = R"("method": "POST")") {
    StartServerWithRules(R"({"match": {)" + match + R"(}, "steps": [)" + steps + "]}");
    return Detail();
  }
};

TEST_F(RefusalTest, WrongPathNamesTheUrlTheStatusAndThePathOfTheServer) {
  StartServer();
  endpoint_ = "http://" + server_->address() + "/mpc?token=of-the-query";
  EXPECT_EQ(Detail(),
            "POST http://HOST/mpc answers 404 (the MCP endpoint is /mcp); check the port and the "
            "path of the "
            "endpoint, /mcp for kubernetes-mcp-server");
}

TEST_F(RefusalTest, RefusalsOfBothTransportsAreNamedWithOneAdvice) {
  StartServer();
  endpoint_ = "http://" + server_->address() + "/mpc";
  EXPECT_EQ(
      Detail(QuickOptions(), true),
      "POST http://HOST/mpc answers 404 (the MCP endpoint is /mcp); as HTTP with SSE: GET "
      "http://HOST/mpc answers 404 (the MCP endpoint is /mcp); check the port and the path of the "
      "endpoint, /mcp for kubernetes-mcp-server");
}

TEST_F(RefusalTest, RedirectNamesItsTarget) {
  EXPECT_EQ(DetailAfter(R"({"redirect": {"status": 307,
                       "to": "https://user:secret@other.example/mcp/?token=secret#x"}})"),
            "POST http://HOST/mcp answers 307; it redirects to https://other.example/mcp/, and "
            "redirects are not followed; configure that URL");
}

TEST_F(RefusalTest, LocationIsOneBoundedLine) {
  const std::string detail = DetailAfter(
      R"({"send": "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\u001b[31m\u0001\u00ff)" +
      std::string(5'000, 'a') + R"(\r\n\r\n"}, "close")");
  EXPECT_LT(detail.size(), 700u);
  EXPECT_THAT(detail, AllOf(HasSubstr("it redirects to /\\x1B[31m\\x01\\xFFaaa"),
                            HasSubstr("configure that URL"), Not(HasSubstr("\x1b"))));
}

TEST_F(RefusalTest, TextOfTheServerIsRepeated) {
  EXPECT_EQ(DetailAfter(R"({"respond": {"status": 421, "body": "Host not allowed\r\n"}})"),
            "POST http://HOST/mcp answers 421 (Host not allowed); configure the host name that the "
            "server expects, or permit this one there");
}

TEST_F(RefusalTest, TextOfAnHtmlPageIsRepeated) {
  EXPECT_EQ(DetailAfter(R"({"respond": {"status": 502, "headers": {"Content-Type": "text/html"},
      "body": "<html>\r\n<head><title>502 Bad Gateway</title><style>b{}</style></head>\r\n<body><center>nginx</center></body></html>"}})"),
            "POST http://HOST/mcp answers 502 (502 Bad Gateway nginx); see the log of the server, "
            "or of the proxy before it");
}

TEST_F(RefusalTest, UnsupportedVersionNamesTheSupportedOnes) {
  EXPECT_EQ(
      DetailAfter(R"({"respond": {"status": 400, "headers": {"Content-Type": "application/json"},
      "body": "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32022,\"message\":\"unsupported version\",\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":\"2025-11-25\"}}}"}})"),
      "POST http://HOST/mcp answers 400 (unsupported version (code -32022; the server supports "
      "2026-07-28)); check that this is the URL of an MCP server, and http or https");
}

TEST_F(RefusalTest, UnsupportedVersionWithStatus200NamesTheSupportedOnes) {
  EXPECT_EQ(DetailAfter(R"({"respond": {"headers": {"Content-Type": "application/json"},
      "body": "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"unsupported version\",\"data\":{\"supported\":[\"2026-07-28\"]}}}"}})"),
            "http://HOST/mcp: initialize: unsupported version (code -32022; the server supports "
            "2026-07-28)");
}

TEST_F(RefusalTest, BodyThatDoesNotEndIsNotWaitedFor) {
  // The watchdog of the fixture ends the test after 20 s; the request itself may take a minute.
  ConnectionOptions options = QuickOptions();
  options.request_timeout = std::chrono::seconds(60);
  StartServerWithRules(R"({"match": {"rpc": "initialize"}, "steps": [
      {"send": "HTTP/1.1 503 Oh\r\nContent-Length: 100\r\n\r\nnot yet"}, "stall"]})");
  EXPECT_THAT(Detail(options), HasSubstr("answers 503 (not yet); see the log"));
}

TEST_F(RefusalTest, EndlessBodyIsCut) {
  const std::string detail =
      DetailAfter(R"({"stream": {"status": 500}}, {"fill": {"with": "so many words "}})");
  EXPECT_THAT(detail, HasSubstr("answers 500 (so many words so many"));
  EXPECT_LT(detail.size(), 400u);
}

TEST_F(RefusalTest, SecretIsMaskedBeforeTheTextIsCut) {
  ConnectionOptions options = QuickOptions();
  const std::string secret(6'000, 's');
  options.headers = {{"X-Key", secret}};
  StartServerWithRules(R"({"match": {"rpc": "initialize"}, "steps": [{"respond": {"status": 400,
      "body": "bad key )" +
                       secret + R"("}}]})");
  EXPECT_THAT(Detail(options), AllOf(HasSubstr("(bad key ***)"), Not(HasSubstr("sss"))));
}

TEST_F(RefusalTest, TextOfTheServerIsOneLine) {
  EXPECT_THAT(
      DetailAfter(
          R"({"respond": {"status": 500, "body": "a\n\tb\u0000\u001b[2J\u00ff {\"msg\": \"c\"}"}})"),
      HasSubstr("answers 500 (a b [2J\xEF\xBF\xBD {\"msg\": \"c\"});"));
}

TEST_F(RefusalTest, ServerWithoutAStreamGetsAdvice) {
  EXPECT_EQ(
      DetailAfter(R"({"respond": {"status": 405, "body": "no GET here"}})", R"("method": "GET")"),
      "the server offers no event stream: GET http://HOST/mcp answers 405 (no GET here); use "
      "mode poll, or a server with sessions (not --stateless)");
}

TEST_F(RefusalTest, RefusedStreamNamesTheStatus) {
  EXPECT_EQ(
      DetailAfter(R"({"respond": {"status": 503, "body": "draining"}})", R"("method": "GET")"),
      "GET http://HOST/mcp answers 503 (draining); see the log of the server, or of the proxy "
      "before it");
}

TEST_F(RefusalTest, HtmlPageIsReportedByItsContentType) {
  EXPECT_EQ(DetailAfter(R"({"respond": {"headers": {"Content-Type": "text/html"},
                                   "body": "<html>Sign in</html>"}})"),
            "POST http://HOST/mcp answers 200 with content type 'text/html'; expected "
            "application/json or text/event-stream: check that this is the URL of an MCP server");
}

TEST_F(RefusalTest, RefusedTcpConnectionGetsAdvice) {
  StartServer();
  const std::string address = server_->address();
  server_.reset();
  endpoint_ = "http://" + address + "/mcp?token=secret";
  const std::string host = address.substr(0, address.find(':'));
  const std::string port = address.substr(address.find(':') + 1);
  EXPECT_EQ(Detail(),
            "POST http://" + address + "/mcp: Failed to connect to " + host + " port " + port +
                ": Couldn't connect to server (Connection refused); check that the server "
                "runs, and listens at this host and port");
}

TEST_F(RefusalTest, UnknownHostGetsAdvice) {
  endpoint_ = "http://mcp.invalid:8080/mcp";
  EXPECT_EQ(Detail(),
            "POST http://mcp.invalid:8080/mcp: Could not resolve host: mcp.invalid; check the host "
            "name of the endpoint, and the DNS of this pod");
}

TEST_F(RefusalTest, SilentServerGetsAdvice) {
  ConnectionOptions options = QuickOptions();
  options.request_timeout = std::chrono::milliseconds(200);
  StartServerWithRules(R"({"match": {"rpc": "initialize"}, "steps": ["stall"]})");
  // The limits of libcurl and of the session end at the same time.
  EXPECT_THAT(
      Detail(options),
      AnyOf("http://HOST/mcp: no answer within the request timeout; connected: check that "
            "this is the port of the MCP server, and its log",
            "POST http://HOST/mcp: Operation timed out with 0 bytes received; the server accepted "
            "the connection and does not answer: check the port and its log"));
}

TEST_F(RefusalTest, HttpsToAPlainTextPortGetsAdvice) {
  ConnectionOptions options = QuickOptions();
  options.request_timeout = std::chrono::milliseconds(200);
  StartServer();  // waits for the end of what it takes for a head
  endpoint_ = "https://" + server_->address() + "/mcp";
  EXPECT_THAT(
      Detail(options),
      AnyOf("https://HOST/mcp: no answer within the request timeout; no connection, or no "
            "TLS handshake: check the host, the port, http or https, and what may drop packets "
            "(NetworkPolicy, firewall)",
            AllOf(StartsWith("POST https://HOST/mcp: "),
                  HasSubstr("check the host and the port, and what may drop packets"))));
}

TEST_F(RefusalTest, PortWithoutHttpGetsAdvice) {
  EXPECT_THAT(DetailAfter(R"({"send": "SSH-2.0-OpenSSH_9.2\r\n"}, "close")"),
              AllOf(StartsWith("POST http://HOST/mcp: "),
                    HasSubstr("; this port does not speak HTTP/1.1: check the port")));
}

TEST_F(RefusalTest, ClosedConnectionGetsAdvice) {
  EXPECT_EQ(DetailAfter(R"("close")"),
            "POST http://HOST/mcp: Empty reply from server; the server closed the connection: "
            "check its log, the port, and http or https");
}

}  // namespace
}  // namespace runner::ingest
