// Which proxy the environment means.

#include "ingest/mcp/transport/proxy_environment.h"

#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using Environment = std::map<std::string, std::string>;

std::string Proxy(const std::string& url, const Environment& environment) {
  return ProxyFor(url, [&](const char* name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(ProxyEnvironment, EachSchemeHasItsVariablesAndAllProxyIsForBoth) {
  const struct {
    const char* url;
    Environment environment;
    const char* proxy;
  } kRows[] = {
      {"http://a/mcp", {}, ""},
      {"http://a/mcp", {{"HTTP_PROXY", "http://p:1"}}, "http://p:1"},
      {"http://a/mcp", {{"http_proxy", "http://p:1"}}, "http://p:1"},
      {"http://a/mcp", {{"HTTP_PROXY", " http://p:1\n"}}, "http://p:1"},
      {"http://a/mcp", {{"HTTP_PROXY", ""}}, ""},
      {"http://a/mcp", {{"HTTP_PROXY", "http://p:1"}, {"http_proxy", ""}}, "http://p:1"},
      {"http://a/mcp", {{"HTTP_PROXY", "http://p:1"}, {"http_proxy", "http://q:1"}}, "http://q:1"},
      {"http://a/mcp", {{"HTTPS_PROXY", "http://p:1"}}, ""},
      {"https://a/mcp", {{"HTTP_PROXY", "http://p:1"}}, ""},
      {"https://a/mcp", {{"HTTPS_PROXY", "http://p:1"}}, "http://p:1"},
      {"HTTPS://a/mcp", {{"HTTPS_PROXY", "http://p:1"}}, "http://p:1"},
      {"https://a/mcp", {{"https_proxy", "http://p:1"}}, "http://p:1"},
      {"https://a/mcp", {{"ALL_PROXY", "socks5h://p:1"}}, "socks5h://p:1"},
      {"http://a/mcp", {{"all_proxy", "http://p:1"}}, "http://p:1"},
      {"http://a/mcp", {{"ALL_PROXY", "http://p:1"}, {"http_proxy", "http://q:1"}}, "http://q:1"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Proxy(row.url, row.environment), row.proxy) << row.url;
  }
}

TEST(ProxyEnvironment, LoopbackIsReachedDirectly) {
  for (const char* url :
       {"http://localhost:8080/mcp", "http://LOCALHOST", "http://127.0.0.1:1/mcp",
        "http://127.9.9.9/mcp", "https://[::1]:8443/mcp?x=1", "http://[::ffff:127.0.0.1]/mcp"}) {
    EXPECT_EQ(Proxy(url, {{"ALL_PROXY", "http://p:1"}}), "") << url;
  }
  for (const char* url : {"http://localhost.example/mcp", "http://128.0.0.1/mcp",
                          "http://127.0.0.1.example/mcp", "http://[::2]/mcp"}) {
    EXPECT_EQ(Proxy(url, {{"ALL_PROXY", "http://p:1"}}), "http://p:1") << url;
  }
}

// The rows are those of the tests of golang.org/x/net/http/httpproxy (TestUseProxy and the entries
// that its documentation names), and those that users of Kubernetes write.
TEST(ProxyEnvironment, NoProxyIsReadAsGoReadsIt) {
  const struct {
    const char* no_proxy;
    const char* url;
    bool direct;
  } kRows[] = {
      // All clusters' services, in the forms that people write.
      {"*.svc", "http://mcp.default.svc:8080/mcp", true},
      {".svc", "http://mcp.default.svc:8080/mcp", true},
      {"svc", "http://mcp.default.svc:8080/mcp", true},
      {"*.svc", "http://svc:8080/mcp", false},
      {".svc", "http://svc:8080/mcp", false},
      {"svc", "http://svc:8080/mcp", true},
      {"svc", "http://mcp.notsvc/mcp", false},
      {"*.svc,*.cluster.local", "http://mcp.default.svc.cluster.local/mcp", true},
      {".cluster.local", "http://mcp.default.svc.cluster.local:8080/mcp", true},
      {"*.svc", "http://mcp.svc.example.com/mcp", false},
      // Names.
      {"barbaz.net", "http://barbaz.net/", true},
      {"barbaz.net", "http://www.barbaz.net/", true},
      {"barbaz.net", "http://foobarbaz.net/", false},
      {"barbaz.net", "http://barbaz.com/", false},
      {".example.com", "http://foo.example.com/", true},
      {".example.com", "http://example.com/", false},
      {"*.example.com", "http://foo.example.com/", true},
      {"*.example.com", "http://example.com/", false},
      {"*example.com", "http://myexample.com/", false},
      {"foo.*.com", "http://foo.bar.com/", false},
      {"EXAMPLE.com", "http://Example.COM/", true},
      {"example.com.", "http://example.com/", false},
      // Blanks, empty entries, the last and the only one.
      {" example.com ,\tb.example ", "http://b.example/", true},
      {",,example.com,", "http://example.com/", true},
      {"example.com b.example", "http://b.example/", false},
      {"", "http://example.com/", false},
      {" , ", "http://example.com/", false},
      // Everything.
      {"*", "http://example.com/", true},
      {"*", "http://10.1.2.3/", true},
      {"a, * ,b", "https://[2001:db8::1]/", true},
      // Ports.
      {"example.com:8080", "http://example.com:8080/mcp", true},
      {"example.com:8080", "http://www.example.com:8080/mcp", true},
      {"example.com:8080", "http://example.com:8081/mcp", false},
      {"example.com:8080", "http://example.com/mcp", false},
      {"example.com:80", "http://example.com/mcp", true},
      {"example.com:443", "https://example.com/mcp", true},
      {"example.com:443", "http://example.com/mcp", false},
      {"*.svc:8080", "http://a.svc:8080/mcp", true},
      {"*.svc:8080", "http://a.svc:9090/mcp", false},
      {":8080", "http://example.com:8080/mcp", false},
      {"example.com:", "http://example.com:8080/mcp", true},
      // Addresses.
      {"192.168.1.1", "http://192.168.1.1/", true},
      {"192.168.1.1", "http://192.168.1.11/", false},
      {"192.168.1.1:81", "http://192.168.1.1:81/", true},
      {"192.168.1.1:81", "http://192.168.1.1:82/", false},
      {"2001:db8::52:0:1", "http://[2001:db8::52:0:1]/", true},
      {"2001:db8::52:0:1", "http://[2001:db8:0:0:0:52:0:1]:8080/", true},
      {"[2001:db8::52:0:1]:443", "https://[2001:db8::52:0:1]/", true},
      {"[2001:db8::52:0:1]:443", "https://[2001:db8::52:0:1]:444/", false},
      {"2001:db8::52:0:1", "http://[2001:db8::52:0:2]/", false},
      {"10.1.2.3", "http://[::ffff:10.1.2.3]/", true},
      {"0.0.0.0", "http://0.0.0.0:8080/", true},
      {"1.1", "http://10.0.1.1/", false},
      // Ranges.
      {"192.168.1.0/24", "http://192.168.1.7:8080/", true},
      {"192.168.1.0/24", "http://192.168.2.7/", false},
      {"192.168.1.9/24", "http://192.168.1.7/", true},
      {"10.0.0.0/8", "http://10.255.0.1/", true},
      {"10.0.0.0/8", "http://ten.example/", false},
      {"10.128.0.0/9", "http://10.127.0.1/", false},
      {"10.128.0.0/9", "http://10.200.0.1/", true},
      {"0.0.0.0/0", "http://8.8.8.8/", true},
      {"0.0.0.0/0", "http://[2001:db8::1]/", false},
      {"2001:db8::/32", "http://[2001:db8:1::1]/", true},
      {"2001:db8::/32", "http://[2001:db9::1]/", false},
      {"::/0", "http://8.8.8.8/", false},
      {"10.0.0.0/33", "http://10.0.0.1/", false},
      {"10.0.0.0/", "http://10.0.0.1/", false},
      {"10.0.0.0/8:80", "http://10.0.0.1/", false},
      // Nonsense.
      {"http://example.com", "http://example.com/", false},
      {".", "http://example.com/", false},
      {"*.", "http://example.com/", false},
  };
  for (const auto& row : kRows) {
    for (const char* name : {"NO_PROXY", "no_proxy"}) {
      const std::string proxy = Proxy(row.url, {{"ALL_PROXY", "http://p:1"}, {name, row.no_proxy}});
      EXPECT_EQ(proxy, row.direct ? "" : "http://p:1")
          << name << "=\"" << row.no_proxy << "\" " << row.url;
    }
  }
}

TEST(ProxyEnvironment, UpperCaseNoProxyCountsBeforeLowerCase) {
  const Environment both = {
      {"ALL_PROXY", "http://p:1"}, {"NO_PROXY", "a.example"}, {"no_proxy", "b.example"}};
  EXPECT_EQ(Proxy("http://a.example/", both), "");
  EXPECT_EQ(Proxy("http://b.example/", both), "http://p:1");
  EXPECT_EQ(Proxy("http://b.example/",
                  {{"ALL_PROXY", "http://p:1"}, {"NO_PROXY", ""}, {"no_proxy", "b.example"}}),
            "");
}

}  // namespace
}  // namespace runner::ingest
