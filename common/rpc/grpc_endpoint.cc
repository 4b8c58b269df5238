#include "common/rpc/grpc_endpoint.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <future>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/resource_quota.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base/address.h"
#include "common/base/descriptor_limit.h"
#include "common/base/heap.h"
#include "common/base/mutex.h"
#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"
#include "common/loop/loop_probe.h"
#include "common/net/listener.h"
#include "common/observability/log_throttle.h"
#include "common/rpc/call_pool.h"
#include "common/rpc/reflection.h"
#include "common/rpc/session_peers.h"

namespace runner {
namespace {

constexpr const char* kOption = "--grpc-listen";

// The limit of clients on received messages: gRPC's default.
constexpr int kMaxMessageBytes = 4 * 1024 * 1024;
// A connection that is idle this long is pinged, and closed if it does not respond.
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// The shortest interval at which clients may ping.
constexpr int kClientPingIntervalMs = 5'000;
// An idle connection costs 27 KB; gRPC's default would keep it for two minutes.
constexpr std::chrono::milliseconds kHandshakeTimeout = std::chrono::seconds(10);
// Limit for a connection without calls. Clients reconnect with their next call.
constexpr int kConnectionIdleMs = 60'000;
constexpr int kMaxStreams = 100;
// Bound on the buffers and calls of all connections. Above it gRPC ends any stream, also that of an
// executor; therefore it exceeds the growth at which connections are cut.
constexpr std::size_t kMemoryQuotaBytes = 128 * 1024 * 1024;
// gRPC parses all data it has read before anything else, so this bounds the lead of a flood.
constexpr int kMaxReadBytes = 64 * 1024;
constexpr std::size_t kMaxConnections = 1024;
// Each concurrent call takes about 13 KB. The limit of streams has no effect on a client that
// resets its streams or never acknowledges the limit (gRPC 1.51).
constexpr std::size_t kMaxCalls = 2'000;
// gRPC 1.51 bounds neither a header block nor its responses to pings that a client does not read; a
// header field of one byte takes 115. Connections are cut when the process has grown by this much.
constexpr std::size_t kMaxGrowthBytes = std::size_t{64} << 20;
// Connections that have sent less than the growth divided by this factor are not its cause. The
// measured factor is up to 192, while gRPC reallocates the list of fields.
constexpr std::size_t kMemoryPerByte = 1024;
// How often free memory is returned to the kernel during growth.
constexpr Duration kFreeTime = std::chrono::milliseconds(100);
// Memory still in use after this time does not belong to connections.
constexpr Duration kMaxGrowthTime = std::chrono::seconds(1);

struct CallCounts {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> ended{0};
};

// Counts the calls that have reached a handler. gRPC calls it on its threads.
class CountedCalls final : public grpc::ContextAllocator {
 public:
  explicit CountedCalls(std::shared_ptr<CallCounts> counts) : counts_(std::move(counts)) {}

  grpc::CallbackServerContext* NewCallbackServerContext() override {
    counts_->begun.fetch_add(1, std::memory_order_relaxed);
    return new grpc::CallbackServerContext;
  }
  grpc::GenericCallbackServerContext* NewGenericCallbackServerContext() override {
    counts_->begun.fetch_add(1, std::memory_order_relaxed);
    return new grpc::GenericCallbackServerContext;
  }
  void Release(grpc::CallbackServerContext* context) override {
    delete context;
    counts_->ended.fetch_add(1, std::memory_order_relaxed);
  }
  void Release(grpc::GenericCallbackServerContext* context) override {
    delete context;
    counts_->ended.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  const std::shared_ptr<CallCounts> counts_;
};

// How long passing a connection to gRPC may take.
constexpr Duration kHandOverTime = std::chrono::seconds(1);

// Returns the number with that name in gRPC's channelz data (grpc/channelz/v1/channelz.proto, as
// JSON); the last one if there are several, 0 if there is none.
std::uint64_t ChannelzNumber(const std::string& json, std::string_view name) {
  const std::string key = '"' + std::string(name) + "\":\"";
  const std::size_t found = json.rfind(key);
  std::uint64_t number = 0;
  if (found == std::string::npos) return number;
  std::from_chars(json.data() + found + key.size(), json.data() + json.size(), number);
  return number;
}

std::string TakeText(char* text) {
  const std::unique_ptr<char, decltype(&::gpr_free)> owned(text, &::gpr_free);
  return text == nullptr ? "" : text;
}

// Detects growth of the process that its clients may have caused. Belongs to one thread.
class GrowthDetector {
 public:
  // Returns the growth in bytes, or 0.
  std::size_t Growth(MonoTime now) {
    const std::size_t bytes = AnonymousMemory();
    if (bytes == 0) return 0;  // unknown
    calm_bytes_ = std::min(calm_bytes_, bytes);
    if (bytes - calm_bytes_ <= kMaxGrowthBytes) {
      since_.reset();
      return 0;
    }
    if (!since_) {
      since_ = now;
      trimmed_ = now;
    }
    if (now - *since_ >= kMaxGrowthTime) {
      calm_bytes_ = bytes;
      return 0;
    }
    if (now - trimmed_ >= kFreeTime) {
      TrimHeap();
      trimmed_ = now;
    }
    return bytes - calm_bytes_;
  }
  // Call after connections were cut: their memory becomes free.
  void OnCut(MonoTime now) {
    if (since_) since_ = now;
  }

 private:
  std::size_t calm_bytes_ = std::numeric_limits<std::size_t>::max();
  std::optional<MonoTime> since_;  // start of the growth, or the latest cut
  MonoTime trimmed_;
};

// The peer of a connection as grpc::ServerContextBase::peer() returns it; empty for a Unix socket.
std::string PeerOf(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(name);
    ::inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text);
    return "ipv4:" + std::string(text) + ':' + std::to_string(ntohs(ipv4.sin_port));
  }
  if (name.ss_family != AF_INET6) return {};
  const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(name);
  const std::string port = ':' + std::to_string(ntohs(ipv6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
    ::inet_ntop(AF_INET, &ipv6.sin6_addr.s6_addr[12], text, sizeof text);
    return "ipv4:" + std::string(text) + port;
  }
  ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
  return "ipv6:%5B" + std::string(text) + "%5D" + port;
}

// Detects a flood from the call counts of the server. Belongs to one thread.
class FloodDetector {
 public:
  explicit FloodDetector(std::shared_ptr<CallCounts> counts) : counts_(std::move(counts)) {}

  // Selects the server that was started last in this process.
  void Start() { server_ = ChannelzNumber(TakeText(::grpc_channelz_get_servers(0)), "serverId"); }

  bool Flooded() {
    const std::uint64_t ended = counts_->ended.load();
    const std::uint64_t begun = counts_->begun.load();
    // Calls whose first message has not arrived never reach a handler: few, except in an attack.
    // The counts do not distinguish calls that wait from calls that were reset without a message.
    const std::uint64_t started = ChannelzNumber(
        TakeText(::grpc_channelz_get_server(static_cast<std::intptr_t>(server_))), "callsStarted");
    const std::uint64_t unhandled = started - std::min(begun, started);
    const bool waiting = unhandled > unhandled_ + kMaxCalls;
    if (waiting) unhandled_ = unhandled;
    return waiting || begun - ended > kMaxCalls;
  }

 private:
  const std::shared_ptr<CallCounts> counts_;
  std::uint64_t server_ = 0;
  std::uint64_t unhandled_ = 0;  // at the last cut for unhandled calls
};

// Collects the names of the registered services; gRPC passes them only to a plugin of the builder.
class ServiceNames final : public grpc::ServerBuilderPlugin, public grpc::ServerBuilderOption {
 public:
  explicit ServiceNames(std::shared_ptr<std::vector<std::string>> names)
      : names_(std::move(names)) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<ServiceNames>(names_));
  }

  std::string name() override { return "runner.service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* server) override { *names_ = *server->GetServiceList(); }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::shared_ptr<std::vector<std::string>> names_;
};

ListenSockets Listen(const std::string& address) {
  const std::optional<Address> parsed = ParseAddress(address);
  if (!parsed) {
    throw std::runtime_error(std::string(kOption) + ": invalid address \"" + address +
                             "\"; expected host:port or unix:/path");
  }
  return ListenOn(*parsed, kOption);
}

ConnectionTable::Limits ConnectionLimits() {
  const std::size_t max_connections =
      std::clamp<std::size_t>(DescriptorLimit() / 8, 8, kMaxConnections);
  // By the handshake timeout gRPC has closed the connections that did not become HTTP/2.
  return {.connections = max_connections,
          .per_address = max_connections * 3 / 4,
          .keep_serving = true,
          .settled_after = kHandshakeTimeout};
}

void SetArguments(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  grpc::ResourceQuota quota("runner");
  quota.Resize(kMemoryQuotaBytes);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMaxReadBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kConnectionIdleMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(kHandshakeTimeout.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kClientPingIntervalMs);
}

}  // namespace

class GrpcEndpoint::Impl {
 public:
  Impl(const std::string& address, const std::vector<grpc::Service*>& services,
       std::shared_ptr<grpc::ServerCredentials> tls, Options options)
      : address_(address),
        options_(std::move(options)),
        reflection_(NewReflectionService(names_)),
        loop_(clock_),
        probe_(loop_, clock_),
        listener_(
            loop_, Listen(address),
            {.limits = ConnectionLimits(),
             .flooded = [this] { return Flooded(); },
             .serves = [this](Listener::Id, int fd) { return HasSession(fd); },
             .on_cut = [this](const char* reason, std::size_t count) { OnCut(reason, count); }},
            [this](Listener::Id, UniqueFd& fd) { return HandOver(fd); }) {
    // Global for the process; cannot be switched off.
    grpc::EnableDefaultHealthCheckService(true);

    grpc::ServerBuilder builder;
    SetArguments(builder);
    if (!tls || address.starts_with("unix:")) tls = grpc::InsecureServerCredentials();
    // gRPC 1.51 stops listening for good if accept(2) fails once, and has no limit on connections.
    // Therefore this class accepts the connections and passes them to gRPC.
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, std::move(tls));
    for (grpc::Service* service : services) builder.RegisterService(service);
    builder.RegisterService(reflection_.get());
    builder.SetOption(std::make_unique<ServiceNames>(names_));
    builder.SetContextAllocator(std::make_unique<CountedCalls>(counts_));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      throw std::runtime_error(std::string(kOption) + ": gRPC cannot start on " + address);
    }
    if (port() != 0) {
      address_ = address.substr(0, address.rfind(':') + 1) + std::to_string(port());
    }
    detector_.Start();
    SetServing(true);
    thread_ = std::thread([this] { loop_.Run(); });
  }

  ~Impl() {
    Shutdown(Duration::zero());
    loop_.Stop();
    if (thread_.joinable()) thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint16_t port() const { return listener_.port(); }
  const std::string& address() const { return address_; }

  std::optional<std::string> Failure() {
    if (probe_.Stuck()) return "loop grpc does not answer";
    if (const auto why = listener_.Failure()) return "gRPC listener does not accept: " + *why;
    return std::nullopt;
  }

  void SetServing(bool serving) {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus("", serving);
    for (const std::string& name : *names_) health->SetServingStatus(name, serving);
  }

  void Shutdown(Duration grace) {
    std::call_once(shutdown_, [&] {
      StopListening();
      server_->GetHealthCheckService()->Shutdown();
      server_->Shutdown(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
    });
  }

 private:
  // gRPC reads from the connection on the thread that passes it in, as long as there is data; that
  // must not be the loop thread. Returns false if no thread can be started.
  bool HandOver(UniqueFd& fd) {
    const MutexLock lock(hand_over_mutex_);
    if (waiting_++ == 0) progress_ = clock_.Now().mono;
    const auto owned = std::make_shared<UniqueFd>(std::move(fd));
    const bool runs = handing_over_.Run([this, owned] {
      {
        const MutexLock started(hand_over_mutex_);
        --waiting_;
        progress_ = clock_.Now().mono;
      }
      if (stopping_) return;
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.fd = owned->Release();
      acceptor_->HandleNewConnection(&connection);
    });
    if (!runs) {
      --waiting_;
      fd = std::move(*owned);
    }
    return runs;
  }

  // Connections that send without a pause occupy the threads that pass them in, even without calls.
  bool HandOverIsStuck() {
    const MutexLock lock(hand_over_mutex_);
    return waiting_ > 0 && clock_.Now().mono - progress_ > kHandOverTime;
  }

  // The least number of bytes that the clients of a flood have sent.
  std::optional<std::uint64_t> Flooded() {
    const std::size_t growth = growth_.Growth(clock_.Now().mono);
    if (detector_.Flooded() || HandOverIsStuck()) return 0;
    if (growth == 0) return std::nullopt;
    return growth / kMemoryPerByte;
  }

  bool HasSession(int fd) const {
    return options_.sessions && !options_.sessions->Empty() &&
           options_.sessions->Contains(PeerOf(fd));
  }

  // Runs on the loop thread.
  void OnCut(const char* reason, std::size_t count) {
    const MonoTime now = clock_.Now().mono;
    growth_.OnCut(now);
    closed_[reason] += count;
    if (!options_.on_closed || !throttle_.Pass(now, reason)) return;
    options_.on_closed(reason, std::exchange(closed_[reason], 0));
  }

  // gRPC leaks a connection that is passed in after its shutdown.
  void StopListening() {
    stopping_ = true;
    std::promise<void> stopped;
    loop_.Post([&] {
      listener_.StopListening();
      stopped.set_value();
    });
    stopped.get_future().wait();
  }

  std::string address_;
  const Options options_;
  const std::shared_ptr<std::vector<std::string>> names_ =
      std::make_shared<std::vector<std::string>>();
  const std::shared_ptr<CallCounts> counts_ = std::make_shared<CallCounts>();
  FloodDetector detector_{counts_};
  GrowthDetector growth_;
  LogThrottle throttle_;
  std::map<std::string, std::size_t> closed_;  // connections by reason, since the last log line
  const std::unique_ptr<grpc::Service> reflection_;
  const SystemClock clock_;
  EventLoop loop_;
  LoopProbe probe_;
  Listener listener_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<bool> stopping_{false};
  CallPool handing_over_{2, kMaxConnections};
  Mutex hand_over_mutex_;
  std::size_t waiting_ GUARDED_BY(hand_over_mutex_) = 0;
  MonoTime progress_ GUARDED_BY(hand_over_mutex_);  // when a connection was last passed in
  std::thread thread_;
  std::once_flag shutdown_;
};

GrpcEndpoint::GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
                           std::shared_ptr<grpc::ServerCredentials> tls, Options options)
    : impl_(std::make_unique<Impl>(address, services, std::move(tls), std::move(options))) {}

GrpcEndpoint::GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
                           std::shared_ptr<grpc::ServerCredentials> tls)
    : GrpcEndpoint(address, services, std::move(tls), Options()) {}

GrpcEndpoint::~GrpcEndpoint() = default;

std::uint16_t GrpcEndpoint::port() const { return impl_->port(); }
std::optional<std::string> GrpcEndpoint::Failure() { return impl_->Failure(); }
const std::string& GrpcEndpoint::address() const { return impl_->address(); }
void GrpcEndpoint::SetServing(bool serving) { impl_->SetServing(serving); }
void GrpcEndpoint::Shutdown(Duration grace) { impl_->Shutdown(grace); }

void SilenceGrpcLog() {
  ::gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace runner
