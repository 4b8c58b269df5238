#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tools/faultsim/http_request.h"

namespace runner::faultsim {
namespace {

// Renders the parsed requests as text.
std::string Parse(const std::vector<std::string_view>& pieces) {
  RequestParser parser;
  std::string seen;
  for (const std::string_view piece : pieces) {
    parser.Feed(piece);
    while (const auto request = parser.Next()) {
      seen += request->method + ' ' + request->path + '\n';
      for (const auto& [name, value] : request->headers) seen += name + '=' + value + '\n';
      seen += '[' + request->body + "]\n";
    }
  }
  if (const auto& error = parser.Failed()) seen += "error " + std::to_string(error->status);
  return seen;
}

constexpr std::string_view kTwoRequests =
    "POST /mcp?x=1 HTTP/1.1\r\nHost: a\r\nX-Name:  spaced value \t\r\nContent-LENGTH: 6\r\n\r\n"
    "{\r\n\r\n}"
    "GET /mcp HTTP/1.1\r\nempty:\r\n\r\n";
constexpr std::string_view kTwoRequestsSeen =
    "POST /mcp\nhost=a\nx-name=spaced value\ncontent-length=6\n[{\r\n\r\n}]\n"
    "GET /mcp\nempty=\n[]\n";

TEST(RequestParser, ResultDoesNotDependOnTheSplit) {
  EXPECT_EQ(Parse({kTwoRequests}), kTwoRequestsSeen);
  for (std::size_t at = 0; at <= kTwoRequests.size(); ++at) {
    EXPECT_EQ(Parse({kTwoRequests.substr(0, at), kTwoRequests.substr(at)}), kTwoRequestsSeen)
        << "cut at " << at;
  }
}

TEST(RequestParser, ParsesByteByByte) {
  std::vector<std::string_view> bytes;
  for (std::size_t at = 0; at < kTwoRequests.size(); ++at)
    bytes.push_back(kTwoRequests.substr(at, 1));
  EXPECT_EQ(Parse(bytes), kTwoRequestsSeen);
}

TEST(RequestParser, AcceptsAbsoluteTargets) {
  EXPECT_EQ(Parse({"GET http://a:8080/mcp?x=1 HTTP/1.1\r\n\r\n"}), "GET /mcp\n[]\n");
  EXPECT_EQ(Parse({"GET http://a HTTP/1.1\r\n\r\n"}), "GET /\n[]\n");
}

TEST(RequestParser, RejectsMalformedRequests) {
  EXPECT_EQ(Parse({"\r\n\r\n"}), "error 400");
  EXPECT_EQ(Parse({"GET /\r\n\r\n"}), "error 400");
  EXPECT_EQ(Parse({"GET ftp://a/ HTTP/1.1\r\n\r\n"}), "error 400");
  EXPECT_EQ(Parse({"GET / x HTTP/1.1\r\n\r\n"}), "error 400");
  EXPECT_EQ(Parse({"GET / HTTP/1.0\r\n\r\n"}), "error 505");
  EXPECT_EQ(Parse({"GET / HTTP/1.1\r\nno colon\r\n\r\n"}), "error 400");
  EXPECT_EQ(Parse({"GET / HTTP/1.1\r\n folded: x\r\n\r\n"}), "error 400");
  EXPECT_EQ(Parse({"GET / HTTP/1.1\r\nname : x\r\n\r\n"}), "error 400");
}

TEST(RequestParser, RequiresASingleNumericContentLength) {
  for (const char* length : {"", "x", "-1", "1x", "0x1", "1, 1"}) {
    EXPECT_EQ(Parse({"POST / HTTP/1.1\r\nContent-Length: " + std::string(length) + "\r\n\r\n"}),
              "error 400")
        << length;
  }
  EXPECT_EQ(Parse({"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"}),
            "error 400");
  EXPECT_EQ(Parse({"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}), "error 501");
}

TEST(RequestParser, SizesAreBounded) {
  const std::string endless(RequestParser::kMaxHeadBytes + 1, 'a');
  EXPECT_EQ(Parse({endless}), "error 431");
  EXPECT_EQ(Parse({"GET / HTTP/1.1\r\nx: " + endless + "\r\n\r\n"}), "error 431");
  const std::string head = "POST / HTTP/1.1\r\nContent-Length: ";
  EXPECT_EQ(Parse({head + "1048577\r\n\r\n"}), "error 413");
  EXPECT_EQ(Parse({head + "99999999999999999999999\r\n\r\n"}), "error 413");
  EXPECT_EQ(Parse({head + "1048576\r\n\r\n"}), "");
}

TEST(RequestParser, ReturnsNothingAfterAnError) {
  EXPECT_EQ(Parse({"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"}), "error 400");
}

}  // namespace
}  // namespace runner::faultsim
