#include "common/listener.h"

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/eventually.h"
#include "tests/support/tcp_client.h"
#include "tests/unit/common/no_descriptors.h"

namespace runner {
namespace {

using support::Eventually;
using testing::Optional;
using testing::StartsWith;

// Accepts on a thread of its own and keeps what it gets.
class AcceptingServer {
 public:
  explicit AcceptingServer(const Listener::Options& options, Address address = {"127.0.0.1", 0, {}})
      : loop_(clock_),
        listener_(loop_, ListenOn(address, ""), options,
                  [this](Listener::Id, UniqueFd fd) {
                    const MutexLock lock(mutex_);
                    accepted_.push_back(std::move(fd));
                  }),
        thread_([this] { loop_.Run(); }) {}
  ~AcceptingServer() {
    loop_.Stop();
    thread_.join();
  }
  AcceptingServer(const AcceptingServer&) = delete;
  AcceptingServer& operator=(const AcceptingServer&) = delete;

  Listener& listener() { return listener_; }
  std::uint16_t port() const { return listener_.port(); }
  std::size_t accepted() {
    const MutexLock lock(mutex_);
    return accepted_.size();
  }
  // The connections that the listener counts.
  std::size_t Open() {
    std::promise<std::size_t> open;
    loop_.Post([&] { open.set_value(listener_.connections()); });
    return open.get_future().get();
  }
  // As gRPC closes a connection.
  void ShutDown(std::size_t index) {
    const MutexLock lock(mutex_);
    ::shutdown(accepted_[index].Get(), SHUT_RDWR);
    accepted_[index].Reset();
  }

 private:
  const SystemClock clock_;
  Mutex mutex_;
  std::vector<UniqueFd> accepted_ GUARDED_BY(mutex_);
  Inbox loop_;
  Listener listener_;
  std::thread thread_;
};

TEST(ListenerTest, AcceptsAgainAfterAShortageOfDescriptors) {
  AcceptingServer server({.failure_after = Duration::zero()});
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  {
    const NoDescriptors shortage;
    ASSERT_TRUE(ConnectSocket(waiting, server.port()));
    EXPECT_TRUE(Eventually([&] { return server.listener().Failure().has_value(); }));
    EXPECT_THAT(server.listener().Failure(), Optional(StartsWith("Too many open files")));
    EXPECT_EQ(server.accepted(), 0u);
  }
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 1; }));
  EXPECT_TRUE(Eventually([&] { return !server.listener().Failure(); }));
}

TEST(ListenerTest, AShortFailureIsNotReported) {
  AcceptingServer server({.failure_after = std::chrono::hours(1)});
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const NoDescriptors shortage;
  EXPECT_EQ(server.listener().Failure(), std::nullopt);
}

TEST(ListenerTest, SilentConnectionsAreClosedToMakeRoom) {
  AcceptingServer server({.limits = {.connections = 8, .per_address = 4}});
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(ConnectTo(server.port()));
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(IsClosed(silent[i])) << i;
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 20; }));
  EXPECT_EQ(server.Open(), 4u);
}

TEST(ListenerTest, AConnectionThatTheServerShutsDownCountsNoMore) {
  AcceptingServer server(Listener::Options{});
  const UniqueFd client = ConnectTo(server.port());
  ASSERT_TRUE(Eventually([&] { return server.Open() == 1; }));
  server.ShutDown(0);
  EXPECT_TRUE(IsClosed(client));
  EXPECT_TRUE(Eventually([&] { return server.Open() == 0; }));
}

TEST(ListenerTest, AConnectionThatIsTooOldIsClosed) {
  AcceptingServer server({.max_age = std::chrono::milliseconds(50)});
  const UniqueFd client = ConnectTo(server.port());
  SendText(client, "slow");
  EXPECT_TRUE(IsClosed(client));
  EXPECT_EQ(server.Open(), 0u);
}

TEST(ListenerTest, AFloodClosesTheConnectionsThatSendMost) {
  std::atomic<bool> over = false;
  AcceptingServer server({.flooded = [&] { return !over; }});
  const UniqueFd quiet = ConnectTo(server.port());
  const UniqueFd loud = ConnectTo(server.port());
  ASSERT_TRUE(Eventually([&] { return server.Open() == 2; }));
  SendText(quiet, "hello");
  SendText(loud, std::string(20'000, 'x'));
  EXPECT_TRUE(IsClosed(loud));
  over = true;
  EXPECT_EQ(server.Open(), 1u);
}

TEST(ListenerTest, ServesIpv4AndIpv6OnTheUnspecifiedIpv6Address) {
  if (!HasIpv6Loopback()) GTEST_SKIP() << "this machine has no ::1";
  AcceptingServer server(Listener::Options{}, {"::", 0, {}});
  EXPECT_TRUE(ConnectTo(server.port(), "::1"));
  EXPECT_TRUE(ConnectTo(server.port(), "127.0.0.1"));
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 2; }));
}

TEST(ListenerTest, ServesEveryAddressOfAHostName) {
  AcceptingServer server(Listener::Options{}, {"localhost", 0, {}});
  EXPECT_TRUE(ConnectTo(server.port(), "127.0.0.1") || ConnectTo(server.port(), "::1"));
  EXPECT_TRUE(Eventually([&] { return server.accepted() >= 1; }));
}

}  // namespace
}  // namespace runner
