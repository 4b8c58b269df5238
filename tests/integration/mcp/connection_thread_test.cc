// The thread that holds all connections, from its start to its last DELETE.

#include "ingest/mcp/transport/connection_thread.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/mcp/transport/mcp_session_factory.h"
#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;

class FirstThings final : public ConnectionListener {
 public:
  void OnOpened(const std::string&) override {}
  void OnEvent(const std::string&, DecodedEvent, bool) override { Once(event); }
  void OnSubscribed(const std::string&, const Subscribed&) override { Once(subscribed); }
  void OnFailed(const std::string&, const ConnectionFailure&, Duration, int) override {
    Once(failed);
  }
  void OnClosed(const std::string&) override { Once(closed); }
  void OnWarning(const std::string&, const McpWarning&) override {}
  void OnEntriesDropped(const std::string&, std::size_t) override {}

  struct First {
    std::promise<void> promise;
    bool signalled = false;
  };
  static bool Happens(First& first) {
    return first.promise.get_future().wait_for(seconds(20)) == std::future_status::ready;
  }
  First event, subscribed, failed, closed;

 private:
  static void Once(First& first) {
    if (!std::exchange(first.signalled, true)) first.promise.set_value();
  }
};

class ConnectionThreadTest : public ::testing::Test {
 protected:
  ConnectionThreadTest() : server_(event_loop_, clock_, "127.0.0.1:0") {
    thread_ = std::thread([this] { event_loop_.Run(); });
  }
  ~ConnectionThreadTest() override {
    event_loop_.Stop();
    thread_.join();
  }
  std::unique_ptr<ConnectionThread> Connections(const std::string& address) {
    ConnectionOptions options;
    options.cluster = "east";
    options.endpoint = "http://" + address + "/mcp";
    return std::make_unique<ConnectionThread>(clock_, std::vector{options}, listener_,
                                              NewMcpSessions("test"), [] { return false; });
  }

  SystemClock clock_;
  EventLoop event_loop_{clock_};
  LoopbackServer server_;
  FirstThings listener_;
  std::thread thread_;
};

TEST_F(ConnectionThreadTest, ConnectionSubscribesDeliversAndDeletesItsSession) {
  auto connections = Connections(server_.address());
  connections->Start();
  ASSERT_TRUE(FirstThings::Happens(listener_.subscribed));
  event_loop_.Post([this] { server_.Publish(); });
  ASSERT_TRUE(FirstThings::Happens(listener_.event));
  connections->Close(seconds(10));
  connections->Join();
  EXPECT_TRUE(listener_.closed.signalled);
  std::promise<int> deletes;
  event_loop_.Post([&] { deletes.set_value(server_.Requests("DELETE")); });
  EXPECT_EQ(deletes.get_future().get(), 1);
  connections.reset();  // nothing of it is used afterwards
}

TEST_F(ConnectionThreadTest, ThreadEndsWithoutClosingItsSessions) {
  auto connections = Connections(server_.address());
  connections->Start();
  ASSERT_TRUE(FirstThings::Happens(listener_.subscribed));
  connections.reset();
}

TEST_F(ConnectionThreadTest, ThreadEndsBeforeItsFirstConnection) {
  Connections(server_.address()).reset();
}

TEST_F(ConnectionThreadTest, ThreadClosesWhileAServerIsUnreachable) {
  std::string nobody;
  {
    const UniqueFd listener = faultsim::ListenOn("127.0.0.1:0");
    nobody = faultsim::BoundAddress(listener.Get());
  }
  auto connections = Connections(nobody);
  connections->Start();
  ASSERT_TRUE(FirstThings::Happens(listener_.failed));
  connections->Close(seconds(10));
  connections->Join();
  EXPECT_FALSE(listener_.closed.signalled);
}

}  // namespace
}  // namespace runner::ingest
