// The texts of refusals.

#include "ingest/mcp/protocol/failure_text.h"

#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/utf8.h"

namespace runner::ingest {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(FailureText, UrlIsShownWithoutUserQueryAndFragment) {
  const struct {
    const char* url;
    const char* shown;
  } kRows[] = {
      {"http://a:8080/mcp", "http://a:8080/mcp"},
      {"http://a:8080/mcp?token=secret#x", "http://a:8080/mcp"},
      {"https://user:secret@a/mcp", "https://a/mcp"},
      {"https://secret@a", "https://a"},
      {"https://a@b:secret@c/mcp", "https://c/mcp"},
      {"//user:secret@a/mcp", "//a/mcp"},
      {"/mcp/?secret", "/mcp/"},
      {"/at/@handle", "/at/@handle"},
      {"mcp/", "mcp/"},
      {"", ""},
  };
  for (const auto& row : kRows) EXPECT_EQ(ShownUrl(row.url), row.shown) << row.url;
  EXPECT_EQ(ShownUrl("http://a/\x1b[31m\n"), "http://a/\\x1B[31m\\n");
  EXPECT_LE(ShownUrl("http://a/" + std::string(100'000, 'a')).size(), 300u);
}

TEST(FailureText, TextOfABodyIsOneBoundedLine) {
  const struct {
    const char* body;
    const char* words;
  } kRows[] = {
      {"Host not allowed\n", "Host not allowed"},
      {"  a \r\n\t b  ", "a b"},
      {"", ""},
      {" \n ", ""},
      {"<h1>404</h1>", "404"},
      {"<!DOCTYPE html><html><script>var a = 1 < 2;</script><p>Not&nbsp;here</p>", "Not&nbsp;here"},
      {"<unfinished", ""},
      {"<script>never closed", ""},
      {"a < b", "a < b"},
      {R"({"error":{"code":-32000,"message":"Bad Request: no session"},"id":null})",
       "Bad Request: no session (code -32000)"},
      {R"({"error":{"code":-32022,"message":"unsupported","data":{"supported":["a","b",1]}}})",
       "unsupported (code -32022; the server supports a, b)"},
      {R"({"error":{"code":1,"message":"m","data":"text"}})", "m (code 1)"},
      {R"({"error":"unauthorized"})", R"({"error":"unauthorized"})"},
      {R"({"error":{"message":"no code"}})", R"({"error":{"message":"no code"}})"},
      {R"({"cut": "of)", R"({"cut": "of)"},
  };
  for (const auto& row : kRows) EXPECT_EQ(WordsOf(row.body), row.words) << row.body;
  for (const char* piece : {"word ", "\xc3\xa4", "<p>\xe2\x82\xac", "\xff"}) {
    std::string body;
    while (body.size() < kMaxRefusalBody) body += piece;
    const std::string words = WordsOf(body);
    EXPECT_LE(words.size(), kMaxShownWords) << piece;
    EXPECT_THAT(words, EndsWith("...")) << piece;
    EXPECT_EQ(SanitizeUtf8(words), words) << piece;
  }
  const std::string many = R"({"error":{"code":1,"message":")" + std::string(3'000, 'm') +
                           R"(","data":{"supported":[)" + std::string(30, '1') + "]}}}";
  EXPECT_LE(WordsOf(many).size(), kMaxShownWords + 20);
}

TEST(FailureText, EachStatusHasItsAdvice) {
  const struct {
    int status;
    const char* advice;
  } kRows[] = {{301, "redirects are not followed"},
               {308, "redirects are not followed"},
               {400, "URL of an MCP server"},
               {401, "token_file"},
               {403, "what the server permits"},
               {404, "/mcp for kubernetes-mcp-server"},
               {405, "/mcp for kubernetes-mcp-server"},
               {407, "HTTP_PROXY"},
               {421, "host name that the server expects"},
               {429, "limits the rate"},
               {500, "the log of the server"},
               {501, "URL of an MCP server"},
               {503, "the log of the server"}};
  for (const auto& row : kRows) {
    HttpHead head;
    head.status = row.status;
    head.request = "POST http://a/mcp";
    const std::string text = DescribeRefusal(head, "POST", false);
    EXPECT_THAT(text, HasSubstr("POST http://a/mcp answers " + std::to_string(row.status) + "; "));
    EXPECT_THAT(text, HasSubstr(row.advice));
  }
}

TEST(FailureText, UrlThatHasWorkedGetsNoAdviceToCheckIt) {
  HttpHead head;
  head.request = "POST http://a/mcp";
  for (const int status : {400, 404, 405}) {
    head.status = status;
    EXPECT_EQ(DescribeRefusal(head, "POST", true),
              "POST http://a/mcp answers " + std::to_string(status));
  }
}

TEST(FailureText, AdviceOfBothTransportsIsGivenOnce) {
  EXPECT_EQ(DescribeBoth("A answers 404; check the path", "B answers 404; check the path"),
            "A answers 404; as HTTP with SSE: B answers 404; check the path");
  EXPECT_EQ(DescribeBoth("A answers 400; check the URL", "B: timed out"),
            "A answers 400; check the URL; as HTTP with SSE: B: timed out");
  EXPECT_EQ(DescribeBoth("A", "B"), "A; as HTTP with SSE: B");
}

TEST(FailureText, UnknownVersionIsNamedWithTheKnownOnes) {
  constexpr std::array<std::string_view, 2> kKnown = {"2025-11-25", "2024-11-05"};
  EXPECT_EQ(DescribeVersion("2099-01-01", kKnown),
            "the server answers initialize with MCP version '2099-01-01'; expected 2025-11-25, "
            "2024-11-05");
  EXPECT_THAT(DescribeVersion(std::string(1'000, 'x') + "\n", kKnown), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace runner::ingest
