// Which proxy the environment means.

#include "ingest/mcp/proxy_environment.h"

#include <map>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::Eq;
using ::testing::Optional;
using ::testing::StrEq;

std::optional<std::string> Proxy(const std::string& url,
                                 const std::map<std::string, std::string>& environment) {
  return ProxyFor(url, [&](const char* name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(ProxyEnvironment, UpperCaseCountsWhereLowerCaseIsNotSet) {
  EXPECT_THAT(Proxy("http://a:8080/mcp", {{"HTTP_PROXY", "http://p:1"}}),
              Optional(StrEq("http://p:1")));
  EXPECT_THAT(Proxy("http://a/mcp", {{"HTTP_PROXY", "http://p:1"}, {"http_proxy", ""}}),
              Optional(StrEq("http://p:1")));
}

TEST(ProxyEnvironment, TheRestIsLeftToLibcurl) {
  EXPECT_THAT(Proxy("http://a/mcp", {}), Eq(std::nullopt));
  EXPECT_THAT(Proxy("http://a/mcp", {{"HTTP_PROXY", ""}}), Eq(std::nullopt));
  EXPECT_THAT(Proxy("http://a/mcp", {{"HTTP_PROXY", "http://p:1"}, {"http_proxy", "http://q:1"}}),
              Eq(std::nullopt));
  EXPECT_THAT(Proxy("https://a/mcp", {{"HTTP_PROXY", "http://p:1"}}), Eq(std::nullopt));
}

TEST(ProxyEnvironment, ThisMachineIsReachedDirectly) {
  for (const char* url : {"http://localhost:8080/mcp", "http://LOCALHOST", "http://127.0.0.1:1/mcp",
                          "http://127.9.9.9/mcp", "https://[::1]:8443/mcp?x=1"}) {
    EXPECT_THAT(Proxy(url, {{"HTTP_PROXY", "http://p:1"}}), Optional(StrEq(""))) << url;
  }
  for (const char* url : {"http://localhost.example/mcp", "http://128.0.0.1/mcp",
                          "http://127.0.0.1.example/mcp", "http://[::2]/mcp"}) {
    EXPECT_THAT(Proxy(url, {{"HTTP_PROXY", "http://p:1"}}), Optional(StrEq("http://p:1"))) << url;
  }
}

}  // namespace
}  // namespace runner::ingest
