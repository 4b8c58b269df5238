#include "common/rpc/grpc_endpoint.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <stdexcept>

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/unique_fd.h"
#include "common/rpc/session_peers.h"
#include "runner/v1/executor_admin.grpc.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/http2_flood.h"
#include "tests/support/no_descriptors.h"
#include "tests/support/process_memory.h"
#include "tests/support/tcp_client.h"

namespace runner {
namespace {

using support::Eventually;
using support::Http2Flood;
using support::ThreadsOfThisProcess;
using testing::HasSubstr;

constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr char kServing[] = "\x08\x01";     // HealthCheckResponse{status: SERVING}
constexpr char kNotServing[] = "\x08\x02";  // HealthCheckResponse{status: NOT_SERVING}

// A message with one string field (numbers below 16, texts below 128 bytes).
std::string Message(int field, const std::string& text) {
  return std::string{static_cast<char>(field << 3 | 2), static_cast<char>(text.size())} + text;
}

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(slice.begin(), slice.end());
  return bytes;
}

// Calls any method with messages as bytes, like a client without .proto files.
class RawClient {
 public:
  explicit RawClient(const std::string& address)
      : stub_(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), Arguments())) {
  }

  // One request, one response; the error message if the call fails.
  std::string Call(const std::string& method, const std::string& request) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    auto call = stub_.PrepareCall(&context, method, &queue_);
    call->StartCall(Tag());
    Wait();
    call->WriteLast(ToBuffer(request), {}, Tag());
    Wait();
    grpc::ByteBuffer response;
    call->Read(&response, Tag());
    const bool answered = Wait();
    grpc::Status status;
    call->Finish(&status, Tag());
    Wait();
    return answered ? ToBytes(response) : status.error_message();
  }

  std::string Health(const std::string& service) {
    return Call("/grpc.health.v1.Health/Check", service.empty() ? "" : Message(1, service));
  }
  std::string Reflect(int field, const std::string& text) {
    return Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                Message(field, text));
  }
  std::string ListServices() { return Reflect(7, "*"); }
  std::string Describe(const std::string& symbol) { return Reflect(4, symbol); }

 private:
  // Gives each client its own connection.
  static grpc::ChannelArguments Arguments() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }
  void* Tag() { return this; }
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue_.Next(&tag, &ok));
    return ok;
  }

  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
};

class GrpcEndpointTest : public testing::Test {
 protected:
  GrpcEndpointTest() {
    std::string pattern = testing::TempDir() + "grpc_endpoint.XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~GrpcEndpointTest() override { std::filesystem::remove_all(directory_); }

  std::string SocketAddress() const { return "unix:" + SocketPath(); }
  std::string SocketPath() const { return directory_ + "/x.sock"; }

  static std::string FailureOf(const std::string& address) {
    try {
      const GrpcEndpoint endpoint(address, {});
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }

  v1::ExecutorAdmin::CallbackService admin_;
  std::string directory_;
};

TEST_F(GrpcEndpointTest, PicksAFreePortAndReportsIt) {
  const GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  EXPECT_NE(endpoint.port(), 0);
  EXPECT_EQ(endpoint.address(), "127.0.0.1:" + std::to_string(endpoint.port()));
  EXPECT_EQ(RawClient(endpoint.address()).Health(""), kServing);
}

TEST_F(GrpcEndpointTest, HealthCoversEveryServiceAndNoOther) {
  const GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  RawClient client(endpoint.address());
  EXPECT_EQ(client.Health("runner.v1.ExecutorAdmin"), kServing);
  EXPECT_NE(client.Health("runner.v1.Nobody"), kServing);
}

TEST_F(GrpcEndpointTest, NotServingIsReportedForEveryService) {
  GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  RawClient client(endpoint.address());
  endpoint.SetServing(false);
  EXPECT_EQ(client.Health(""), kNotServing);
  EXPECT_EQ(client.Health("runner.v1.ExecutorAdmin"), kNotServing);
  endpoint.SetServing(true);
  EXPECT_EQ(client.Health("runner.v1.ExecutorAdmin"), kServing);
}

TEST_F(GrpcEndpointTest, ReflectionListsAndDescribesTheServices) {
  const GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  RawClient client(endpoint.address());
  const std::string services = client.ListServices();
  EXPECT_THAT(services, HasSubstr("runner.v1.ExecutorAdmin"));
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
  EXPECT_THAT(client.Describe("runner.v1.ExecutorAdmin"), HasSubstr("executor_admin.proto"));
  EXPECT_THAT(client.Describe("grpc.health.v1.Health"), HasSubstr("HealthCheckRequest"));
}

TEST_F(GrpcEndpointTest, TwoServersDoNotShareAPort) {
  const GrpcEndpoint endpoint("127.0.0.1:0", {});
  EXPECT_THAT(FailureOf(endpoint.address()),
              HasSubstr("--grpc-listen: cannot listen on 127.0.0.1:"));
}

TEST_F(GrpcEndpointTest, ServesOnAUnixSocket) {
  const GrpcEndpoint endpoint(SocketAddress(), {&admin_});
  EXPECT_EQ(endpoint.port(), 0);
  EXPECT_EQ(RawClient(SocketAddress()).Health(""), kServing);
}

TEST_F(GrpcEndpointTest, DoesNotTakeTheSocketOfARunningServer) {
  const GrpcEndpoint endpoint(SocketAddress(), {});
  EXPECT_THAT(FailureOf(SocketAddress()), HasSubstr("another server listens"));
  EXPECT_EQ(RawClient(SocketAddress()).Health(""), kServing);
}

TEST_F(GrpcEndpointTest, ReplacesASocketWithoutAListener) {
  {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    SocketPath().copy(name.sun_path, sizeof name.sun_path - 1);
    const UniqueFd left_behind(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(left_behind.Get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  }
  const GrpcEndpoint endpoint(SocketAddress(), {});
  EXPECT_EQ(RawClient(SocketAddress()).Health(""), kServing);
}

TEST_F(GrpcEndpointTest, ReplacesOnlySockets) {
  std::ofstream(SocketPath()) << "precious";
  EXPECT_THAT(FailureOf(SocketAddress()), HasSubstr("not a socket"));
  EXPECT_TRUE(std::filesystem::exists(SocketPath()));
}

TEST_F(GrpcEndpointTest, ReportsAMissingDirectoryOfTheSocket) {
  EXPECT_THAT(FailureOf("unix:" + directory_ + "/missing/x.sock"), HasSubstr("does not exist"));
}

TEST_F(GrpcEndpointTest, ShutdownFreesTheAddress) {
  GrpcEndpoint endpoint("127.0.0.1:0", {});
  endpoint.Shutdown(std::chrono::seconds(1));
  endpoint.Shutdown(std::chrono::seconds(1));
  EXPECT_EQ(FailureOf(endpoint.address()), "");
}

TEST_F(GrpcEndpointTest, ServesIpv4AndIpv6OnTheUnspecifiedIpv6Address) {
  if (!HasIpv6Loopback()) GTEST_SKIP() << "this machine has no ::1";
  const GrpcEndpoint endpoint("[::]:0", {&admin_});
  const std::string port = std::to_string(endpoint.port());
  EXPECT_EQ(endpoint.address(), "[::]:" + port);
  EXPECT_EQ(RawClient("[::1]:" + port).Health(""), kServing);
  EXPECT_EQ(RawClient("127.0.0.1:" + port).Health(""), kServing);
}

TEST_F(GrpcEndpointTest, TheSocketFileIsRemovedAtTheEnd) {
  {
    const GrpcEndpoint endpoint(SocketAddress(), {});
  }
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
}

TEST_F(GrpcEndpointTest, AcceptsAgainAfterAShortageOfDescriptors) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  RawClient before(endpoint.address());
  EXPECT_EQ(before.Health(""), kServing);
  EXPECT_EQ(endpoint.Failure(), std::nullopt);
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  {
    const NoDescriptors shortage;
    ASSERT_TRUE(ConnectSocket(waiting, endpoint.port()));
    EXPECT_TRUE(Eventually([&] { return endpoint.Failure().has_value(); }));
    EXPECT_EQ(endpoint.Failure(), "gRPC listener does not accept: Too many open files");
  }
  EXPECT_TRUE(Eventually([&] { return !endpoint.Failure(); }));
  // The server responds to the HTTP/2 preface with its settings.
  SendText(waiting, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  char byte = 0;
  EXPECT_EQ(::recv(waiting.Get(), &byte, 1, 0), 1);
}

TEST_F(GrpcEndpointTest, SilentConnectionsMakeRoomForCalls) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit usual{std::min<rlim_t>(1024, before.rlim_max), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  {
    const GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
    const auto begin = std::chrono::steady_clock::now();
    std::vector<UniqueFd> silent;  // the limit is 96 for one address
    for (int i = 0; i < 300; ++i) silent.push_back(ConnectTo(endpoint.port()));
    EXPECT_EQ(RawClient(endpoint.address()).Health(""), kServing);
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(IsClosed(silent[i])) << i;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kHandshakeTimeout) << "it closes them too";
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(GrpcEndpointTest, SilentConnectionsOnAUnixSocketMakeRoomForCalls) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit usual{std::min<rlim_t>(1024, before.rlim_max), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  {
    const GrpcEndpoint endpoint(SocketAddress(), {&admin_});
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    SocketPath().copy(name.sun_path, sizeof name.sun_path - 1);
    const auto begin = std::chrono::steady_clock::now();
    std::vector<UniqueFd> silent;  // the limit is 128
    for (int i = 0; i < 300; ++i) {
      silent.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(
          ::connect(silent.back().Get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    }
    EXPECT_TRUE(IsClosed(silent.front()));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kHandshakeTimeout) << "it closes them too";
    char byte = 0;
    EXPECT_NE(::recv(silent.back().Get(), &byte, 1, MSG_DONTWAIT), 0) << "the newest one is closed";
    EXPECT_EQ(RawClient(SocketAddress()).Health(""), kServing);
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(GrpcEndpointTest, AcceptsAgainAfterAShortageOfThreads) {
  GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  pthread_attr_t usual, huge;
  ASSERT_EQ(::pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(::pthread_getattr_default_np(&huge), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&huge, std::size_t{1} << 47), 0);
  // The address space has no room for the stack of another thread.
  ASSERT_EQ(::pthread_setattr_default_np(&huge), 0);
  const UniqueFd waiting = ConnectTo(endpoint.port());
  EXPECT_TRUE(Eventually([&] { return endpoint.Failure().has_value(); }, std::chrono::seconds(10)));
  EXPECT_EQ(endpoint.Failure(), "gRPC listener does not accept: Resource temporarily unavailable");
  ASSERT_EQ(::pthread_setattr_default_np(&usual), 0);
  EXPECT_TRUE(Eventually([&] { return !endpoint.Failure(); }));
  // The server responds to the HTTP/2 preface with its settings.
  SendText(waiting, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  char byte = 0;
  EXPECT_EQ(::recv(waiting.Get(), &byte, 1, 0), 1);
}

// Returns the peer name that gRPC reports for the client.
class PeerService final : public v1::ExecutorAdmin::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::ExecutorAdminGetStatusRequest*,
                                      v1::ExecutorAdminGetStatusResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish({grpc::StatusCode::UNKNOWN, context->peer()});
    return reactor;
  }
};

TEST_F(GrpcEndpointTest, ConnectionsWithASessionDoNotMakeRoom) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit usual{std::min<rlim_t>(1024, before.rlim_max), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  constexpr const char* kCall = "/runner.v1.ExecutorAdmin/GetStatus";
  std::vector<std::string> hosts = {"127.0.0.1"};
  if (HasIpv6Loopback()) hosts.push_back("::1");
  for (const std::string& host : hosts) {
    PeerService service;
    const auto sessions = std::make_shared<SessionPeers>();
    std::promise<std::string> closed;
    std::once_flag first;
    const GrpcEndpoint endpoint(
        "[::]:0", {&service}, nullptr,
        {.sessions = sessions, .on_closed = [&](const std::string& reason, std::size_t count) {
           std::call_once(first, [&] { closed.set_value(reason + " " + std::to_string(count)); });
         }});
    const std::string port = std::to_string(endpoint.port());
    RawClient executor(host == "::1" ? "[::1]:" + port : host + ":" + port);
    RawClient other(host == "::1" ? "[::1]:" + port : host + ":" + port);
    const std::string peer = executor.Call(kCall, "");
    const std::string other_peer = other.Call(kCall, "");
    const SessionPeers::Session session(sessions, peer);
    std::vector<UniqueFd> crowd;  // the limit is 96 for one address
    for (int i = 0; i < 300; ++i) {
      crowd.push_back(ConnectTo(endpoint.port(), host));
      SendText(crowd.back(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    }
    EXPECT_EQ(closed.get_future().get(), "too many connections 1");
    EXPECT_EQ(executor.Call(kCall, ""), peer);
    EXPECT_NE(other.Call(kCall, ""), other_peer) << "it had no session";
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

class FloodTest : public GrpcEndpointTest,
                  public testing::WithParamInterface<std::pair<std::string, Http2Flood::Kind>> {};

TEST_P(FloodTest, FloodsAreCutAndOthersAreServed) {
  const GrpcEndpoint endpoint("127.0.0.1:0", {&admin_});
  RawClient other(endpoint.address());
  EXPECT_EQ(other.Health(""), kServing);
  const auto& [path, kind] = GetParam();
  if (support::kSanitized && kind == Http2Flood::Kind::kHeaderBlock) {
    GTEST_SKIP() << "a sanitizer keeps freed memory";
  }
  Http2Flood flood(endpoint.port(), path, kind);
  constexpr std::size_t kStreams = 500'000;
  EXPECT_LT(flood.Send(kStreams), kStreams);
  EXPECT_EQ(other.Health(""), kServing);
  EXPECT_LT(ThreadsOfThisProcess(), 40);
}

constexpr const char* kReflection =
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
INSTANTIATE_TEST_SUITE_P(
    Kinds, FloodTest,
    testing::Values(
        std::pair(std::string("/x.Y/z"), Http2Flood::Kind::kReset),
        std::pair(std::string(kReflection), Http2Flood::Kind::kReset),
        std::pair(std::string("/grpc.health.v1.Health/Check"), Http2Flood::Kind::kReset),
        std::pair(std::string("/grpc.health.v1.Health/Watch"), Http2Flood::Kind::kCallThenReset),
        std::pair(std::string("/grpc.health.v1.Health/Check"), Http2Flood::Kind::kOpen),
        std::pair(std::string("/x.Y/z"), Http2Flood::Kind::kHeaderBlock)));

}  // namespace
}  // namespace runner
