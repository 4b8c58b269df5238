// Cookies: two replicas behind a load balancer that knows a session by the cookie it has set.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A request without its cookie goes to the replicas in turn; a session lives on one of them.
class Balancer final : public faultsim::HttpHandler {
 public:
  Balancer(EventLoop& event_loop, const Clock& clock, UniqueFd listener)
      : address_(faultsim::BoundAddress(listener.Get())),
        http_(event_loop, std::move(listener)),
        first_(http_, clock, "simulated"),
        second_(http_, clock, "simulated") {
    http_.Serve(*this);
  }
  const std::string& address() const { return address_; }
  // Behind `Set-Cookie: route-of-session=replica-N`.
  void SetAttributes(const std::string& attributes) { attributes_ = attributes; }
  // With every answer.
  void SetMore(std::vector<std::string> cookies) { more_ = std::move(cookies); }
  void RefuseNext(int status, const std::string& body) { refusal_ = {status, {}, body}; }
  std::size_t Publish() {
    FaultEvent fault;
    fault.fault_type = "CrashLoop";
    fault.resource = {"v1", "Pod", "cart-0", "shop", "uid"};
    return first_.Publish(fault) + second_.Publish(fault);
  }
  struct Seen {
    std::string method;
    std::string cookies;  // all Cookie lines
    bool initialize = false;
  };
  const std::vector<Seen>& seen() const { return seen_; }

  faultsim::HttpResponse Answer(faultsim::ConnectionId connection,
                                const faultsim::HttpRequest& request) override {
    Seen seen{request.method, "",
              request.body.find("\"method\":\"initialize\"") != std::string::npos};
    for (const auto& [name, value] : request.headers) {
      if (name == "cookie") seen.cookies += '[' + value + ']';
    }
    seen_.push_back(seen);
    if (refusal_.status != 200) return std::exchange(refusal_, {});
    bool to_second = seen.cookies.find("route-of-session=replica-2") != std::string::npos;
    const bool known =
        to_second || seen.cookies.find("route-of-session=replica-1") != std::string::npos;
    if (!known) to_second = turn_++ % 2 != 0;
    faultsim::HttpResponse response = (to_second ? second_ : first_).Answer(connection, request);
    if (!known) {
      response.headers.emplace_back("Set-Cookie", std::string("route-of-session=replica-") +
                                                      (to_second ? "2" : "1") + attributes_);
    }
    for (const std::string& cookie : more_) response.headers.emplace_back("Set-Cookie", cookie);
    return response;
  }
  void OnStreamClosed(faultsim::ConnectionId connection) override {
    first_.OnStreamClosed(connection);
    second_.OnStreamClosed(connection);
  }

 private:
  const std::string address_;
  faultsim::HttpServer http_;
  faultsim::McpServer first_;
  faultsim::McpServer second_;
  int turn_ = 0;
  std::string attributes_;
  std::vector<std::string> more_;
  faultsim::HttpResponse refusal_;
  std::vector<Seen> seen_;
};

class CookieTest : public ConnectionTest {
 protected:
  void SetUp() override {
    balancer_ = std::make_unique<Balancer>(event_loop_, clock_, faultsim::ListenOn("127.0.0.1:0"));
    endpoint_ = "http://" + balancer_->address() + "/mcp";
  }
  void TearDown() override {
    ConnectionTest::TearDown();
    balancer_.reset();
  }
  // What came from the second request on.
  std::vector<std::string> LaterCookies() const {
    std::vector<std::string> cookies;
    for (std::size_t i = 1; i < balancer_->seen().size(); ++i) {
      cookies.push_back(balancer_->seen()[i].cookies);
    }
    return cookies;
  }
  std::vector<std::string> Methods() const {
    std::vector<std::string> methods;
    for (const auto& one : balancer_->seen()) methods.push_back(one.method);
    return methods;
  }
  void ConnectAndFail() {
    Connect();
    const std::size_t before = failures_.size();
    RunUntil([&] { return failures_.size() > before; });
  }

  std::unique_ptr<Balancer> balancer_;
};

TEST_F(CookieTest, EveryRequestOfASessionGoesToTheReplicaThatHasIt) {
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_THAT(failures_, IsEmpty());
  EXPECT_EQ(balancer_->Publish(), 1u);
  RunUntil([&] { return !names_.empty(); });
  Close();
  EXPECT_THAT(Methods(), AllOf(Contains("POST"), Contains("GET"), Contains("DELETE")));
  EXPECT_EQ(balancer_->seen().front().cookies, "");
  EXPECT_THAT(LaterCookies(), Each("[route-of-session=replica-1]"));
}

TEST_F(CookieTest, NewSessionBeginsWithoutEarlierCookies) {
  ping_interval_ = std::chrono::milliseconds(20);
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  const std::size_t before = balancer_->seen().size();
  balancer_->RefuseNext(404, "gone");
  RunUntil([&] { return sessions_.size() == 2; });
  std::vector<std::string> initializing;
  for (std::size_t i = before; i < balancer_->seen().size(); ++i) {
    if (balancer_->seen()[i].initialize) initializing.push_back(balancer_->seen()[i].cookies);
  }
  EXPECT_THAT(initializing, ElementsAre(""));
  EXPECT_EQ(balancer_->seen().back().cookies, "[route-of-session=replica-2]");
}

TEST_F(CookieTest, ClustersShareNoCookies) {
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  const std::size_t before = balancer_->seen().size();
  std::unique_ptr<ClusterConnection> first = std::move(connection_);
  Connect();
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_EQ(balancer_->seen()[before].cookies, "");
  EXPECT_EQ(balancer_->seen().back().cookies, "[route-of-session=replica-2]");
  RunUntil([&] {
    first.reset();
    return true;
  });
}

TEST_F(CookieTest, CookieOfAnotherPathOrHostIsNotSent) {
  for (const char* attributes : {"; Path=/other", "; Domain=other.example", "; Max-Age=0",
                                 "; Expires=Thu, 01 Jan 2015 00:00:00 GMT"}) {
    SCOPED_TRACE(attributes);
    balancer_->SetAttributes(attributes);
    ConnectAndFail();
    EXPECT_THAT(LaterCookies(), Each("")) << "and so the session is not found";
    connection_.reset();
  }
}

TEST_F(CookieTest, SecureCookieIsNotSentInPlainText) {
  const std::string address = balancer_->address();
  endpoint_ = "http://0.0.0.0" + address.substr(address.find(':')) + "/mcp";
  balancer_->SetAttributes("; Secure");
  ConnectAndFail();
  EXPECT_THAT(LaterCookies(), Each(""));
}

TEST_F(CookieTest, CookieWithTheUsualAttributesIsSent) {
  for (const char* attributes : {"; Path=/", "; Path=/mcp; HttpOnly; SameSite=Lax",
                                 "; Max-Age=3600", "; Domain=127.0.0.1"}) {
    SCOPED_TRACE(attributes);
    balancer_->SetAttributes(attributes);
    const std::size_t before = sessions_.size();
    Connect();
    RunUntil([&] { return sessions_.size() > before; });
    connection_.reset();
  }
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(CookieTest, DeletedCookieIsNotSent) {
  ping_interval_ = std::chrono::milliseconds(20);
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_THAT(LaterCookies(), Each("[route-of-session=replica-1]"));
  balancer_->SetMore({"route-of-session=; Max-Age=0"});
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_THAT(LaterCookies(), Contains("")) << "and so the session is not found";
}

TEST_F(CookieTest, CookiesOfAServerAreBounded) {
  ping_interval_ = std::chrono::milliseconds(5);
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> cookies;
    for (int i = 0; i < 10; ++i) {
      cookies.push_back("c" + std::to_string(10 * round + i) + '=' + std::string(1'000, 'x'));
    }
    balancer_->SetMore(cookies);
    const std::size_t before = balancer_->seen().size();
    RunUntil([&] {
      Changed();
      return balancer_->seen().size() > before + 1;
    });
  }
  EXPECT_THAT(failures_, IsEmpty());
  EXPECT_THAT(balancer_->seen().back().cookies, AllOf(HasSubstr("route-of-session=replica-1"),
                                                      HasSubstr("c9="), Not(HasSubstr("c199="))));
  EXPECT_LE(balancer_->seen().back().cookies.size(), CookieJar::kMaxBytes);
}

TEST_F(CookieTest, ConfiguredCookieHeaderIsMergedWithCookies) {
  ConnectionOptions options = QuickOptions();
  options.headers = {{"cookie", "tenant=7"}};
  Connect(options);
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_EQ(balancer_->seen().front().cookies, "[tenant=7]");
  EXPECT_THAT(LaterCookies(), Each("[route-of-session=replica-1; tenant=7]"));
}

TEST_F(CookieTest, CookieValuesAreMaskedInErrors) {
  ping_interval_ = std::chrono::milliseconds(20);
  balancer_->SetMore({"secret=of-the-session-1"});
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  balancer_->RefuseNext(404, "no session for of-the-session-1");
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_THAT(failures_.front().detail,
              AllOf(HasSubstr("no session for ***"), Not(HasSubstr("of-the-session"))));
}

}  // namespace
}  // namespace runner::ingest
