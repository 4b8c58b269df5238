// Connections that are closed, opened and replaced while the others go on.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/mcp/transport/connection_thread.h"
#include "ingest/mcp/transport/mcp_session_factory.h"
#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

// The reports in order, such as "closed east".
class Record final : public ConnectionListener {
 public:
  void OnOpened(const std::string& cluster) override { Add("opened " + cluster); }
  void OnEvent(const std::string& cluster, DecodedEvent, bool) override { Add("event " + cluster); }
  void OnSubscribed(const std::string& cluster, const Subscribed&) override {
    Add("subscribed " + cluster);
  }
  void OnFailed(const std::string& cluster, const ConnectionFailure&, Duration, int) override {
    Add("failed " + cluster);
  }
  void OnClosed(const std::string& cluster) override { Add("closed " + cluster); }
  void OnWarning(const std::string&, const McpWarning&) override {}
  void OnEntriesDropped(const std::string&, std::size_t) override {}

  // False if it was not reported so often in time.
  bool Await(const std::string& line, long times = 1) {
    std::unique_lock lock(mutex_);
    return added_.wait_for(lock, seconds(20),
                           [&] { return std::count(lines_.begin(), lines_.end(), line) >= times; });
  }
  std::vector<std::string> Of(const std::string& cluster) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> own;
    for (const std::string& line : lines_) {
      if (line.ends_with(" " + cluster)) own.push_back(line.substr(0, line.find(' ')));
    }
    return own;
  }

 private:
  void Add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    added_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<std::string> lines_;
};

class ConnectionChangeTest : public ::testing::Test {
 protected:
  ConnectionChangeTest() {
    thread_ = std::thread([this] { event_loop_.Run(); });
  }
  ~ConnectionChangeTest() override {
    connections_.reset();
    event_loop_.Stop();
    thread_.join();
  }

  static ConnectionOptions To(const std::string& cluster, const LoopbackServer& server) {
    ConnectionOptions options;
    options.cluster = cluster;
    options.endpoint = "http://" + server.address() + "/mcp";
    return options;
  }
  // To the first server as east, to the second as west; subscribed to both.
  void Start() {
    connections_ = std::make_unique<ConnectionThread>(
        clock_, std::vector{To("east", first_), To("west", second_)}, record_,
        [this, sessions = NewMcpSessions("test")](const ConnectionOptions& options,
                                                  EventHistory& history) {
          if (options.cluster == "east") gaps_.push_back(history.HasGap());
          return sessions(options, history);
        },
        [] { return false; });
    connections_->Start();
    ASSERT_TRUE(record_.Await("subscribed east"));
    ASSERT_TRUE(record_.Await("subscribed west"));
  }
  int Requests(LoopbackServer& server, const std::string& method) {
    std::promise<int> count;
    event_loop_.Post([&] { count.set_value(server.Requests(method)); });
    return count.get_future().get();
  }
  // The one session that it has had goes on.
  void ExpectWestUntouched() {
    const int before = Requests(second_, "POST");
    event_loop_.Post([this] { second_.Publish(); });
    EXPECT_TRUE(record_.Await("event west"));
    EXPECT_EQ(Requests(second_, "POST"), before);
    EXPECT_EQ(Requests(second_, "GET"), 1);
    EXPECT_EQ(Requests(second_, "DELETE"), 0);
    EXPECT_THAT(record_.Of("west"), ElementsAre("opened", "subscribed", "event"));
  }

  SystemClock clock_;
  EventLoop event_loop_{clock_};  // of the servers
  LoopbackServer first_{event_loop_, clock_, "127.0.0.1:0"};
  LoopbackServer second_{event_loop_, clock_, "127.0.0.1:0"};
  LoopbackServer third_{event_loop_, clock_, "127.0.0.1:0"};
  std::thread thread_;
  Record record_;
  std::vector<bool> gaps_;  // whether each session of east began with one
  std::unique_ptr<ConnectionThread> connections_;
};

TEST_F(ConnectionChangeTest, ChangedClusterIsClosedAndConnectedAgain) {
  Start();
  connections_->Change({}, {To("east", third_)});
  ASSERT_TRUE(record_.Await("subscribed east", 2));
  EXPECT_THAT(record_.Of("east"),
              ElementsAre("opened", "subscribed", "closed", "opened", "subscribed"));
  event_loop_.Post([this] { third_.Publish(); });
  EXPECT_TRUE(record_.Await("event east"));
  ExpectWestUntouched();
  connections_->Close(seconds(10));
  connections_->Join();
  EXPECT_EQ(Requests(first_, "DELETE"), 1);
  EXPECT_EQ(gaps_, (std::vector{false, true})) << "what happened in between is looked for";
}

TEST_F(ConnectionChangeTest, RemovedClusterIsClosedAndAnAddedClusterConnects) {
  Start();
  connections_->Change({"east"}, {To("south", third_)});
  ASSERT_TRUE(record_.Await("subscribed south"));
  ExpectWestUntouched();
  connections_->Close(seconds(10));
  connections_->Join();
  EXPECT_THAT(record_.Of("east"), ElementsAre("opened", "subscribed", "closed"));
  EXPECT_EQ(Requests(first_, "DELETE"), 1);
  EXPECT_EQ(Requests(third_, "DELETE"), 1);
}

TEST_F(ConnectionChangeTest, ClusterAddedAgainHasNoHistory) {
  Start();
  connections_->Change({"east"}, {});
  connections_->Change({}, {To("east", third_)});
  ASSERT_TRUE(record_.Await("subscribed east", 2));
  connections_.reset();
  EXPECT_EQ(gaps_, (std::vector{false, false}));
}

TEST_F(ConnectionChangeTest, ShutdownWaitsForEarlierDeletes) {
  Start();
  connections_->Change({"east", "west", "nobody"}, {To("east", third_)});
  connections_->Close(seconds(10));
  connections_->Change({}, {To("west", third_)});  // too late
  const MonoTime began = clock_.Now().mono;
  connections_->Join();
  EXPECT_LT(clock_.Now().mono - began, seconds(5))
      << "once all servers have answered, not when the limit is over";
  EXPECT_EQ(Requests(first_, "DELETE"), 1);
  EXPECT_EQ(Requests(second_, "DELETE"), 1);
  EXPECT_THAT(record_.Of("west"), ElementsAre("opened", "subscribed", "closed"));
}

TEST_F(ConnectionChangeTest, ShutdownMayInterruptADelete) {
  Start();
  connections_->Change({"east"}, {To("west", third_)});
  connections_.reset();
}

}  // namespace
}  // namespace runner::ingest
