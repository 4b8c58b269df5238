// Where an SSE server wants messages to be posted.

#include "ingest/mcp/endpoint_url.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::Optional;
using ::testing::StrEq;

const std::string kBase = "http://mcp.example:8080/api/sse?x=1";

TEST(EndpointUrl, RelativeToTheStream) {
  EXPECT_THAT(ResolveEndpoint(kBase, "/message?sessionId=abc"),
              Optional(StrEq("http://mcp.example:8080/message?sessionId=abc")));
  EXPECT_THAT(ResolveEndpoint(kBase, "message?sessionId=abc"),
              Optional(StrEq("http://mcp.example:8080/api/message?sessionId=abc")));
  EXPECT_THAT(ResolveEndpoint(kBase, "?sessionId=abc"),
              Optional(StrEq("http://mcp.example:8080/api/sse?sessionId=abc")));
  EXPECT_THAT(ResolveEndpoint(kBase, "../message#part"),
              Optional(StrEq("http://mcp.example:8080/message")));
}

TEST(EndpointUrl, AbsoluteOfTheSameOrigin) {
  EXPECT_THAT(ResolveEndpoint(kBase, "http://MCP.example:8080/message"),
              Optional(testing::EndsWith(":8080/message")));
  EXPECT_TRUE(ResolveEndpoint("https://a/sse", "https://a:443/message"));
  EXPECT_TRUE(ResolveEndpoint("http://[::1]:8080/sse", "http://[::1]:8080/message"));
  EXPECT_TRUE(ResolveEndpoint("http://a:80/sse", "http://a/message"));
}

TEST(EndpointUrl, AnotherOriginIsRefused) {
  for (const char* foreign :
       {"http://evil.example:8080/message", "https://mcp.example:8080/message",
        "http://mcp.example/message", "http://mcp.example:8081/message", "//evil.example/message",
        "http://mcp.example:8080@evil.example/message", "http:evil.example/x", "file:///etc/passwd",
        "gopher://mcp.example:8080/1", "http://mcp.example.:8080/message"}) {
    EXPECT_FALSE(ResolveEndpoint(kBase, foreign)) << foreign;
  }
}

TEST(EndpointUrl, AUserIsRefused) {
  EXPECT_FALSE(ResolveEndpoint(kBase, "http://user@mcp.example:8080/message"));
  EXPECT_FALSE(ResolveEndpoint(kBase, "http://user:secret@mcp.example:8080/message"));
}

TEST(EndpointUrl, WhatIsNoUrlIsRefused) {
  EXPECT_FALSE(ResolveEndpoint(kBase, ""));
  EXPECT_FALSE(ResolveEndpoint(kBase, "http://"));
  EXPECT_FALSE(ResolveEndpoint(kBase, "/a\r\nHost: evil"));
  EXPECT_FALSE(ResolveEndpoint(kBase, std::string_view("/a\0b", 4)));
  EXPECT_FALSE(ResolveEndpoint(kBase, "/" + std::string(9000, 'a')));
  EXPECT_FALSE(ResolveEndpoint("no url", "/a"));
}

}  // namespace
}  // namespace runner::ingest
