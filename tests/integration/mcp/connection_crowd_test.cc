// Many clusters at once, as when the network or what stands before all servers comes back.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/mcp/transport/connection_thread.h"
#include "ingest/mcp/transport/mcp_session_factory.h"
#include "tests/integration/mcp/connection_fixture.h"
#include "tests/integration/mcp/resident_memory.h"
#include "tests/support/sanitizers.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Records the reports, and lets the test wait for them.
class Crowd final : public ConnectionListener {
 public:
  void OnOpened(const std::string&) override {}
  void OnEvent(const std::string& cluster, DecodedEvent, bool) override {
    Note([&] { received.insert(cluster); });
  }
  void OnSubscribed(const std::string& cluster, const Subscribed&) override {
    Note([&] { subscribed.insert(cluster); });
  }
  void OnFailed(const std::string& cluster, const ConnectionFailure& failure, Duration retry_in,
                int) override {
    Note([&] {
      subscribed.erase(cluster);
      failed.insert(cluster);
      failures.push_back(failure);
      delays.push_back(retry_in);
    });
  }
  void OnClosed(const std::string&) override {}
  void OnWarning(const std::string&, const McpWarning&) override {}
  void OnEntriesDropped(const std::string&, std::size_t) override {}

  bool Await(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(40), condition);
  }

  void ForgetFailures() {
    Note([&] { failed.clear(); });
  }

  // To be looked at in a condition, or when the connections are gone.
  std::set<std::string> subscribed, failed, received;
  std::vector<ConnectionFailure> failures;
  std::vector<Duration> delays;

 private:
  template <typename What>
  void Note(What what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
};

class ConnectionCrowdTest : public ::testing::Test {
 protected:
  ConnectionCrowdTest() : server_(event_loop_, clock_, "127.0.0.1:0") {
    thread_ = std::thread([this] { event_loop_.Run(); });
  }
  ~ConnectionCrowdTest() override {
    connections_.reset();
    event_loop_.Stop();
    thread_.join();
  }
  void OnServer(const std::function<void()>& task) {
    std::promise<void> done;
    event_loop_.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().get();
  }
  void Connect(int clusters, Duration initial, Duration longest) {
    std::vector<std::string> names;
    for (int i = 0; i < clusters; ++i) names.push_back("c" + std::to_string(i));
    Connect(names, initial, longest);
  }
  void Connect(const std::vector<std::string>& clusters, Duration initial, Duration longest) {
    std::vector<ConnectionOptions> all;
    for (const std::string& cluster : clusters) {
      ConnectionOptions options;
      options.cluster = cluster;
      options.endpoint = "http://" + server_.address() + "/c/" + options.cluster + "/mcp";
      options.initial_delay = initial;
      options.max_delay = longest;
      options.request_timeout = seconds(30);
      all.push_back(std::move(options));
    }
    connections_ = std::make_unique<ConnectionThread>(clock_, std::move(all), crowd_,
                                                      NewMcpSessions("test"), [] { return false; });
    connections_->Start();
  }

  SystemClock clock_;
  EventLoop event_loop_{clock_};
  LoopbackServer server_;
  Crowd crowd_;
  std::thread thread_;
  std::unique_ptr<ConnectionThread> connections_;
};

TEST_F(ConnectionCrowdTest, FiftyClustersSpreadTheirRetries) {
  OnServer([&] { server_.RefuseWith(503); });
  Connect(50, seconds(10), seconds(60));
  ASSERT_TRUE(crowd_.Await([&] { return crowd_.failures.size() == 50; }));
  connections_.reset();
  for (const ConnectionFailure& failure : crowd_.failures) {
    EXPECT_EQ(ToString(failure.error), "server");
  }
  const auto [first, last] = std::minmax_element(crowd_.delays.begin(), crowd_.delays.end());
  EXPECT_GE(*first, milliseconds(7'500));
  EXPECT_LE(*last, milliseconds(12'500));
  EXPECT_GT(*last - *first, seconds(2)) << "of five that are possible";
  EXPECT_GT(std::set(crowd_.delays.begin(), crowd_.delays.end()).size(), 40u);
}

TEST_F(ConnectionCrowdTest, HundredClustersRecoverFromLostStreams) {
  constexpr std::size_t kClusters = 100;
  OnServer([&] {
    server_.Follow(faultsim::ParseScript(R"({"rules": [
      {"match": {"method": "GET", "nth": 100}, "steps": ["serve", {"wait": 1}, "reset"]}]})"));
  });
  Connect(kClusters, milliseconds(10), milliseconds(200));
  ASSERT_TRUE(crowd_.Await([&] {
    return crowd_.subscribed.size() == kClusters && !crowd_.failed.empty();
  })) << "one was reset";
  crowd_.ForgetFailures();
  OnServer([&] { server_.EndStreams(); });
  ASSERT_TRUE(crowd_.Await(
      [&] { return crowd_.subscribed.size() == kClusters && crowd_.failed.size() == kClusters; }));
  std::size_t published = 0;
  OnServer([&] { published = server_.Publish(); });
  EXPECT_EQ(published, kClusters);
  EXPECT_TRUE(crowd_.Await([&] { return crowd_.received.size() == kClusters; }));
}

TEST_F(ConnectionCrowdTest, TwoHundredClustersConnectSixtyFourAtATime) {
  constexpr std::size_t kClusters = 200;
  OnServer([&] {
    server_.Follow(faultsim::ParseScript(R"({"rules": [
      {"match": {"rpc": "initialize"}, "steps": [{"wait": 300}, "serve"]}]})"));
  });
  Connect(kClusters, milliseconds(10), milliseconds(200));
  ASSERT_TRUE(crowd_.Await([&] { return crowd_.subscribed.size() == kClusters; }));
  std::size_t most = 0;
  OnServer([&] { most = server_.max_connecting(); });
  EXPECT_EQ(most, ConnectionThread::kMaxConnecting);
  EXPECT_TRUE(crowd_.failed.empty());
}

TEST_F(ConnectionCrowdTest, QueuedConnectionsAreClosedAtOnce) {
  OnServer([&] {
    server_.Follow(faultsim::ParseScript(R"({"rules": [
      {"match": {"rpc": "initialize"}, "steps": ["stall"]}]})"));
  });
  Connect(200, milliseconds(10), milliseconds(200));
  std::size_t most = 0;
  while (most < ConnectionThread::kMaxConnecting) {
    OnServer([&] { most = server_.max_connecting(); });
  }
  connections_->Close(seconds(30));
  connections_->Join();
  OnServer([&] { most = server_.max_connecting(); });
  EXPECT_EQ(most, ConnectionThread::kMaxConnecting) << "nobody else has begun";
}

// Row 72. In the order of their names the healthy ones are the first, one in the middle and the
// last. None of the others has failed when they are subscribed: so nobody has waited for a timeout.
TEST_F(ConnectionCrowdTest, SilentServersDelayNoHealthyServer) {
  OnServer([&] {
    server_.Follow(faultsim::ParseScript(R"({"rules": [
      {"match": {"path": "/c/black-*"}, "steps": ["stall"]},
      {"match": {"path": "/c/swallows-*"}, "steps": ["stall"]}]})"));
  });
  std::vector<std::string> names = {"a-healthy", "m-healthy", "z-healthy"};
  for (int i = 0; i < 200; ++i) {
    names.push_back("black-" + std::to_string(i));
    names.push_back("swallows-" + std::to_string(i));
  }
  Connect(names, milliseconds(10), milliseconds(200));
  ASSERT_TRUE(
      crowd_.Await([&] { return crowd_.subscribed.size() == 3 || !crowd_.failed.empty(); }));
  connections_.reset();
  EXPECT_EQ(crowd_.subscribed.size(), 3u);
  EXPECT_TRUE(crowd_.failed.empty());
}

// Each stays below the limit of one answer, and four of them below that of all.
TEST_F(ConnectionCrowdTest, ServersThatSendMuchStayWithinTheSharedLimit) {
  if (support::kThreadSanitized) {
    GTEST_SKIP() << "300 MB take ThreadSanitizer longer than a request may";
  }
  OnServer([&] {
    server_.Follow(
        faultsim::ParseScript(R"({"rules": [{"match": {"path": "/c/hostile-*"}, "steps": [
      {"send": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"result\":\""},
      {"fill": {"bytes": 15000000}}, {"wait": 5000}, "close"]}]})"));
  });
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back("hostile-" + std::to_string(i));
  names.push_back("z-healthy");
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins here: proc(5)
  const std::size_t before = ResidentMemory();
  Connect(names, seconds(60), seconds(60));
  EXPECT_TRUE(crowd_.Await([&] { return crowd_.failed.size() >= 16; }));
  EXPECT_TRUE(crowd_.Await([&] { return crowd_.subscribed.contains("z-healthy"); }));
  const std::size_t peak = support::PeakResidentMemory(::getpid());
  connections_.reset();
  // An answer that grows is copied, so that one of 15 MB takes 45 MB for a moment.
  if (!support::kSanitized) {
    EXPECT_LT(peak - before, std::size_t{160} << 20);
  }
  EXPECT_FALSE(crowd_.failed.contains("z-healthy"));
  EXPECT_TRUE(std::any_of(crowd_.failures.begin(), crowd_.failures.end(), [](const auto& failure) {
    return failure.detail.find("64 MiB in total") != std::string::npos;
  })) << (crowd_.failures.empty() ? "none has failed" : crowd_.failures.front().detail);
}

}  // namespace
}  // namespace runner::ingest
