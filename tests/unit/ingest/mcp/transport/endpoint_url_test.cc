// Where an SSE server wants messages to be posted.

#include "ingest/mcp/transport/endpoint_url.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::Optional;
using ::testing::StrEq;

const std::string kBase = "http://mcp.example:8080/api/sse?x=1";

TEST(EndpointUrl, RelativeUrlIsResolvedAgainstTheStream) {
  EXPECT_THAT(ResolveEndpoint(kBase, "/message?sessionId=abc"),
              Optional(StrEq("http://mcp.example:8080/message?sessionId=abc")));
  EXPECT_THAT(ResolveEndpoint(kBase, "message?sessionId=abc"),
              Optional(StrEq("http://mcp.example:8080/api/message?sessionId=abc")));
  EXPECT_THAT(ResolveEndpoint(kBase, "?sessionId=abc"),
              Optional(StrEq("http://mcp.example:8080/api/sse?sessionId=abc")));
  EXPECT_THAT(ResolveEndpoint(kBase, "../message#part"),
              Optional(StrEq("http://mcp.example:8080/message")));
}

TEST(EndpointUrl, AbsoluteUrlOfTheSameOriginIsAccepted) {
  EXPECT_THAT(ResolveEndpoint(kBase, "http://MCP.example:8080/message"),
              Optional(testing::EndsWith(":8080/message")));
  EXPECT_TRUE(ResolveEndpoint("https://a/sse", "https://a:443/message"));
  EXPECT_TRUE(ResolveEndpoint("http://[::1]:8080/sse", "http://[::1]:8080/message"));
  EXPECT_TRUE(ResolveEndpoint("http://a:80/sse", "http://a/message"));
}

TEST(EndpointUrl, AnotherOriginIsRejected) {
  for (const char* foreign :
       {"http://evil.example:8080/message", "https://mcp.example:8080/message",
        "http://mcp.example/message", "http://mcp.example:8081/message", "//evil.example/message",
        "http://mcp.example:8080@evil.example/message", "http:evil.example/x", "file:///etc/passwd",
        "gopher://mcp.example:8080/1", "http://mcp.example.:8080/message"}) {
    EXPECT_FALSE(ResolveEndpoint(kBase, foreign)) << foreign;
  }
}

TEST(EndpointUrl, UrlWithAUserIsRejected) {
  EXPECT_FALSE(ResolveEndpoint(kBase, "http://user@mcp.example:8080/message"));
  EXPECT_FALSE(ResolveEndpoint(kBase, "http://user:secret@mcp.example:8080/message"));
}

TEST(EndpointUrl, TextThatIsNoUrlIsRejected) {
  EXPECT_FALSE(ResolveEndpoint(kBase, ""));
  EXPECT_FALSE(ResolveEndpoint(kBase, "http://"));
  EXPECT_FALSE(ResolveEndpoint(kBase, "/a\r\nHost: evil"));
  EXPECT_FALSE(ResolveEndpoint(kBase, std::string_view("/a\0b", 4)));
  EXPECT_FALSE(ResolveEndpoint(kBase, "/" + std::string(9000, 'a')));
  EXPECT_FALSE(ResolveEndpoint("no url", "/a"));
}

TEST(EndpointUrl, ConfiguredEndpointIsCheckedWithAReason) {
  const struct {
    const char* endpoint;
    const char* wrong;
  } kRows[] = {
      {"", "is empty"},
      {"http://a b:8080/mcp", "holds white space"},
      {"http://a:8080/m cp", "holds white space"},
      {"http://a:8080/mcp\nx", "holds white space or a control character"},
      {"http://a:8080/mcp\x7f", "control character"},
      {"a:8080/mcp", "has no scheme"},
      {"a/mcp", "has no scheme"},
      {"/mcp", "has no scheme"},
      {"http:/a/mcp", "has no scheme"},
      {"http:a:8080/mcp", "has no scheme"},
      {"//a:8080/mcp", "has no scheme"},
      {"ftp://a/mcp", "is not a URL of http or https"},
      {"unix:///run/mcp.sock", "is not a URL of http or https"},
      {"http+unix://a/mcp", "is not a URL of http or https"},
      {"://a/mcp", "is not a URL of http or https"},
      {"http://", "names no host"},
      {"http:///mcp", "names no host"},
      {"http://:8080/mcp", "names no host"},
      {"https://?x=1", "names no host"},
      {"http://a:0/mcp", "has no valid port (1 to 65535)"},
      {"http://a:65536/mcp", "has no valid port"},
      {"http://a:99999/mcp", "has no valid port"},
      {"http://a:99999999999999999999/mcp", "has no valid port"},
      {"http://a:-1/mcp", "has no valid port"},
      {"http://a:+80/mcp", "has no valid port"},
      {"http://a:http/mcp", "has no valid port"},
      {"http://a:/mcp", "has no valid port"},
      {"http://a:$PORT/mcp", "has no valid port"},
      {"http://${HOST}:80/mcp", "names no valid host"},
      {"http://<host>:80/mcp", "names no valid host"},
      {"http://%41:80/mcp", "names no valid host"},
      {"http://2001:db8::1/mcp", "more than one colon"},
      {"http://a:80:80/mcp", "more than one colon"},
      {"http://[::1/mcp", "without its ]"},
      {"http://[10.0.0.1]:80/mcp", "no IPv6 address"},
      {"http://[a]:80/mcp", "no IPv6 address"},
      {"http://[::1]80/mcp", "something other than a port"},
      {"http://[::1]:0/mcp", "has no valid port"},
      {"http://[::1]:/mcp", "has no valid port"},
  };
  for (const auto& row : kRows) {
    EXPECT_THAT(ValidateEndpoint(row.endpoint),
                Optional(testing::AllOf(testing::HasSubstr(row.wrong),
                                        testing::HasSubstr("; expected a URL such as "
                                                           "http://host:8080/mcp"))))
        << row.endpoint;
  }
  for (const char* sound :
       {"http://a:8080/mcp", "https://a/mcp", "http://a", "http://a:1", "http://a:65535/mcp",
        "HTTP://A:8080/mcp", "http://a_b.ns.svc.cluster.local:8080/mcp", "http://10.0.0.1/mcp",
        "http://[2001:db8::1]:8443/mcp", "https://[::1]/", "http://a/mcp?key=x", "http://a/@x/mcp",
        "https://m\xc3\xbcnchen.example/mcp", "http://a./mcp"}) {
    EXPECT_EQ(ValidateEndpoint(sound), std::nullopt) << sound;
  }
}

TEST(EndpointUrl, SecretPartsOfAUrlAreNotShown) {
  for (const char* endpoint :
       {"http://user:secret@a/mcp", "http://secret@a:99999/mcp", "http://user:pa/secret@a/mcp",
        "user:secret@a:8080/mcp", "http://a:99999/mcp?token=secret", "http:///mcp#secret",
        "ftp://user:secret@a", "http://user:se/cret@secret:1", "http://a b@secret/"}) {
    const auto wrong = ValidateEndpoint(endpoint);
    ASSERT_TRUE(wrong) << endpoint;
    EXPECT_THAT(*wrong, testing::Not(testing::HasSubstr("secret"))) << endpoint;
  }
  EXPECT_THAT(ValidateEndpoint("http://user:secret@a/mcp"),
              Optional(testing::HasSubstr("user name or password")));
}

}  // namespace
}  // namespace runner::ingest
