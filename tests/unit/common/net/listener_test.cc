#include "common/net/listener.h"

#include <atomic>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "tests/support/eventually.h"
#include "tests/support/no_descriptors.h"
#include "tests/support/tcp_client.h"

namespace {

std::atomic<bool> epoll_is_full = false;
std::atomic<int> descriptors_unwatched = 0;

}  // namespace

// Replaces the function of the C library: the limit of epoll(7), max_user_watches, is global for
// the machine.
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (operation == EPOLL_CTL_ADD && epoll_is_full) {
    errno = ENOSPC;
    return -1;
  }
  if (operation == EPOLL_CTL_DEL) ++descriptors_unwatched;
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

// Replaces the function of the C library: without IPv6, localhost has one address; this name always
// has two.
extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo* hints,
                           addrinfo** found) {
  static const auto real =
      reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (std::strcmp(host, "two-addresses") != 0) return real(host, port, hints, found);
  addrinfo* second = nullptr;
  if (const int code = real("127.0.0.1", port, hints, found); code != 0) return code;
  if (const int code = real("127.0.0.2", port, hints, &second); code != 0) return code;
  (*found)->ai_next = second;
  return 0;
}

namespace runner {
namespace {

using support::Eventually;
using testing::Optional;
using testing::StartsWith;

// Accepts on its own thread and keeps the connections.
class AcceptingServer {
 public:
  explicit AcceptingServer(const Listener::Options& options, Address address = {"127.0.0.1", 0, {}})
      : loop_(clock_),
        listener_(loop_, ListenOn(address, ""), options,
                  [this](Listener::Id, UniqueFd& fd) {
                    const MutexLock lock(mutex_);
                    if (refuses_) return false;
                    accepted_.push_back(std::move(fd));
                    return true;
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
  // The number of connections that the listener counts.
  std::size_t Open() {
    std::promise<std::size_t> open;
    loop_.Post([&] { open.set_value(listener_.connections()); });
    return open.get_future().get();
  }
  void Refuse(bool refuse) {
    const MutexLock lock(mutex_);
    refuses_ = refuse;
  }
  // Closes a connection as gRPC does.
  void ShutDown(std::size_t index) {
    const MutexLock lock(mutex_);
    ::shutdown(accepted_[index].Get(), SHUT_RDWR);
    accepted_[index].Reset();
  }

 private:
  const SystemClock clock_;
  Mutex mutex_;
  std::vector<UniqueFd> accepted_ GUARDED_BY(mutex_);
  bool refuses_ GUARDED_BY(mutex_) = false;
  EventLoop loop_;
  Listener listener_;
  std::thread thread_;
};

TEST(ListenerTest, AcceptsAgainAfterAShortageOfDescriptors) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
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
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  AcceptingServer server({.failure_after = std::chrono::hours(1)});
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const NoDescriptors shortage;
  const int before = descriptors_unwatched;
  ASSERT_TRUE(ConnectSocket(waiting, server.port()));
  ASSERT_TRUE(Eventually([&] { return descriptors_unwatched > before; })) << "accepting pauses";
  EXPECT_EQ(server.listener().Failure(), std::nullopt);
}

TEST(ListenerTest, OneFreeDescriptorIsAShortage) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  AcceptingServer server({.failure_after = Duration::zero()});
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  {
    const NoDescriptors shortage(1);
    ASSERT_TRUE(ConnectSocket(waiting, server.port()));
    EXPECT_TRUE(Eventually([&] { return server.listener().Failure().has_value(); },
                           std::chrono::seconds(5)));
    EXPECT_EQ(server.accepted(), 0u);
  }
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 1; }, std::chrono::seconds(5)));
  EXPECT_TRUE(Eventually([&] { return !server.listener().Failure(); }));
}

TEST(ListenerTest, AcceptsAgainAfterEpollWasFull) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  AcceptingServer server({.failure_after = Duration::zero()});
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  {
    const NoDescriptors shortage;
    ASSERT_TRUE(ConnectSocket(waiting, server.port()));
    ASSERT_TRUE(Eventually([&] { return server.listener().Failure().has_value(); }));
    epoll_is_full = true;
  }
  EXPECT_TRUE(Eventually(
      [&] { return server.listener().Failure().value_or("").starts_with("No space left"); }));
  epoll_is_full = false;
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 1; }));
  EXPECT_TRUE(Eventually([&] { return !server.listener().Failure(); }));
}

TEST(ListenerTest, AConnectionThatCannotBeWatchedIsReported) {
  AcceptingServer server({.failure_after = Duration::zero()});
  epoll_is_full = true;
  const UniqueFd client = ConnectTo(server.port());
  EXPECT_TRUE(
      Eventually([&] { return server.listener().Failure().has_value(); }, std::chrono::seconds(5)));
  epoll_is_full = false;
  EXPECT_TRUE(IsClosed(client));
  EXPECT_TRUE(Eventually([&] { return !server.listener().Failure(); }));
}

TEST(ListenerTest, AConnectionWaitsUntilTheServerCanTakeIt) {
  AcceptingServer server({.failure_after = Duration::zero()});
  server.Refuse(true);
  const UniqueFd waiting = ConnectTo(server.port());
  ASSERT_TRUE(
      Eventually([&] { return server.listener().Failure().has_value(); }, std::chrono::seconds(5)));
  server.Refuse(false);
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 1; }, std::chrono::seconds(5)));
  EXPECT_TRUE(Eventually([&] { return !server.listener().Failure(); }));
}

TEST(ListenerTest, AConnectionThatClosesWhileItWaitsBlocksNoOther) {
  AcceptingServer server({.failure_after = Duration::zero()});
  server.Refuse(true);
  UniqueFd gone = ConnectTo(server.port());
  ASSERT_TRUE(
      Eventually([&] { return server.listener().Failure().has_value(); }, std::chrono::seconds(5)));
  const linger reset{1, 0};
  ASSERT_EQ(::setsockopt(gone.Get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  gone.Reset();
  ASSERT_TRUE(Eventually([&] { return server.Open() == 0; }));
  const UniqueFd waiting = ConnectTo(server.port());
  server.Refuse(false);
  EXPECT_TRUE(Eventually([&] { return !server.listener().Failure(); }, std::chrono::seconds(5)));
  EXPECT_TRUE(Eventually([&] { return server.Open() == 1; }));
  EXPECT_EQ(server.accepted(), 1u);
}

TEST(ListenerTest, SilentConnectionsAreClosedToMakeRoom) {
  AcceptingServer server({.limits = {.connections = 8, .per_address = 4}});
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(ConnectTo(server.port()));
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(IsClosed(silent[i])) << i;
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 20; }));
  EXPECT_EQ(server.Open(), 4u);
}

TEST(ListenerTest, AConnectionThatTheServerShutsDownNoLongerCounts) {
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
  std::atomic<bool> flooded = false;
  std::atomic<int> asked = 0;
  AcceptingServer server({.flooded = [&] {
    ++asked;
    return flooded ? std::optional<std::uint64_t>(0) : std::nullopt;
  }});
  const UniqueFd quiet = ConnectTo(server.port());
  const UniqueFd loud = ConnectTo(server.port());
  ASSERT_TRUE(Eventually([&] { return server.Open() == 2; }));
  SendText(loud, std::string(20'000, 'x'));
  ASSERT_TRUE(Eventually([&] { return asked > 0; }));
  EXPECT_EQ(server.Open(), 2u) << "that was no flood";
  flooded = true;
  SendText(quiet, "hello");
  SendText(loud, std::string(20'000, 'x'));
  EXPECT_TRUE(IsClosed(loud));
  flooded = false;
  EXPECT_EQ(server.Open(), 1u);
}

// A server may handle data long after its arrival.
TEST(ListenerTest, AFloodThatIsDetectedLateClosesTheConnectionsThatSentMost) {
  std::atomic<bool> flooded = false;
  std::atomic<int> asked = 0;
  AcceptingServer server({.flooded = [&] {
    ++asked;
    return flooded ? std::optional<std::uint64_t>(0) : std::nullopt;
  }});
  const UniqueFd loud = ConnectTo(server.port());
  ASSERT_TRUE(Eventually([&] { return server.Open() == 1; }));
  SendText(loud, std::string(20'000, 'x'));
  ASSERT_TRUE(Eventually([&] { return asked > 0; }));
  flooded = true;
  EXPECT_TRUE(IsClosed(loud));
  flooded = false;
}

TEST(ListenerTest, ServesIpv4AndIpv6OnTheUnspecifiedIpv6Address) {
  if (!HasIpv6Loopback()) GTEST_SKIP() << "this machine has no ::1";
  AcceptingServer server(Listener::Options{}, {"::", 0, {}});
  EXPECT_TRUE(ConnectTo(server.port(), "::1"));
  EXPECT_TRUE(ConnectTo(server.port(), "127.0.0.1"));
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 2; }));
}

TEST(ListenerTest, ServesEveryAddressOfAHostName) {
  AcceptingServer server(Listener::Options{}, {"two-addresses", 0, {}});
  EXPECT_TRUE(ConnectTo(server.port(), "127.0.0.1"));
  EXPECT_TRUE(ConnectTo(server.port(), "127.0.0.2"));
  EXPECT_TRUE(Eventually([&] { return server.accepted() == 2; }));
}

}  // namespace
}  // namespace runner
