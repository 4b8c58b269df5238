// Proxies of the environment.

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;

// The simulated server is the proxy, and plays whatever host it is asked for.
class ProxyTest : public ConnectionTest {
 protected:
  ProxyTest() { ForgetAll(); }
  ~ProxyTest() override { ForgetAll(); }

  static void ForgetAll() {
    for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
                             "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
      ::unsetenv(name);
    }
  }
  static void Set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  // An address that nobody answers at.
  static std::string Nobody() {
    const UniqueFd listener = faultsim::ListenOn("127.0.0.1:0");
    return faultsim::BoundAddress(listener.Get());
  }
  void ExpectConnectsThrough(const char* variable) {
    StartServer();
    endpoint_ = "http://mcp.invalid:8080/mcp";
    Set(variable, "http://" + server_->address());
    Connect();
    RunUntil([&] { return !sessions_.empty(); });
    EXPECT_THAT(failures_, IsEmpty());
    for (const auto& request : server_->requests()) {
      EXPECT_THAT(request.Header("host"), Optional(Eq("mcp.invalid:8080")));
      EXPECT_EQ(request.path, "/mcp");
    }
    EXPECT_EQ(server_->Publish(), 1u);
    RunUntil([&] { return !names_.empty(); });
  }
};

TEST_F(ProxyTest, UpperCaseVariableIsHonoured) { ExpectConnectsThrough("HTTP_PROXY"); }

TEST_F(ProxyTest, LowerCaseVariableIsHonoured) { ExpectConnectsThrough("http_proxy"); }

TEST_F(ProxyTest, LowerCaseVariableCountsBeforeUpperCase) {
  Set("HTTP_PROXY", "http://" + Nobody());
  ExpectConnectsThrough("http_proxy");
}

TEST_F(ProxyTest, AllProxyIsHonoured) { ExpectConnectsThrough("ALL_PROXY"); }

TEST_F(ProxyTest, NoProxyHostIsReachedDirectly) {
  for (const char* variable : {"NO_PROXY", "no_proxy"}) {
    SCOPED_TRACE(variable);
    ForgetAll();
    StartServer();
    const std::string address = server_->address();
    endpoint_ = "http://0.0.0.0" + address.substr(address.find(':')) + "/mcp";
    Set("HTTP_PROXY", "http://" + Nobody());
    Connect();
    const std::size_t failures = failures_.size();
    RunUntil([&] { return failures_.size() > failures; });
    EXPECT_EQ(ToString(failures_.back().error), "network") << "the proxy is not there";
    EXPECT_THAT(server_->requests(), IsEmpty());
    Set(variable, "example.com,0.0.0.0");
    const std::size_t sessions = sessions_.size();
    RunUntil([&] { return sessions_.size() > sessions; });
    connection_.reset();
  }
}

TEST_F(ProxyTest, LoopbackIsReachedDirectly) {
  StartServer();
  Set("HTTP_PROXY", "http://" + Nobody());
  Set("http_proxy", "http://" + Nobody());
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(ProxyTest, ProxyPasswordIsNotShown) {
  endpoint_ = "http://mcp.invalid:8080/mcp";
  for (const char* proxy : {"http://user:secret@127.0.0.1:99999", "gopher://user:secret@a:1",
                            "http://user:secret@127.0.0.1:1"}) {
    Set("HTTP_PROXY", proxy);
    Connect();
    const std::size_t before = failures_.size();
    RunUntil([&] { return failures_.size() > before; });
    EXPECT_EQ(ToString(failures_.back().error), "network") << proxy;
    EXPECT_THAT(failures_.back().detail, Not(HasSubstr("secret")));
    connection_.reset();
  }
}

}  // namespace
}  // namespace runner::ingest
