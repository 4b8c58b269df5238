#include "common/grpc_endpoint.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/impl/server_initializer.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address.h"
#include "common/listen_problem.h"
#include "common/unique_fd.h"

namespace runner {
namespace {

constexpr const char* kOption = "--grpc-listen";

// The clients' own limit on what they receive, which is gRPC's default.
constexpr int kMaxMessageBytes = 4 * 1024 * 1024;
// A connection that is silent this long is pinged, and closed when it does not answer.
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// The shortest interval at which clients may ping.
constexpr int kClientPingIntervalMs = 5'000;
// Whoever connects and says nothing costs 27 KB, with gRPC's default for two minutes.
constexpr int kHandshakeTimeoutMs = 10'000;

// Learns the names of the registered services, which only a plugin of the builder is told.
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

[[noreturn]] void CannotListen(const std::string& address, const std::string& why) {
  throw std::runtime_error(ListenProblem(kOption, address, why));
}

// gRPC removes whatever is in its way, also the socket of a server that runs: look before.
void MakeRoomForSocket(const std::string& address, const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!std::filesystem::is_directory(parent)) {
    CannotListen(address, "directory " + parent.string() +
                              " does not exist; create it, or choose another path");
  }
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode))
    CannotListen(address, path + " exists and is not a socket; remove it, or choose another path");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.c_str(), std::min(path.size(), sizeof name.sun_path - 1));
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) CannotListen(address, std::strerror(errno));
  const int connected =
      ::connect(probe.Get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  if (connected == 0 || errno != ECONNREFUSED) {
    CannotListen(address, "another server listens on " + path +
                              "; choose another path, or stop that server");
  }
  if (::unlink(path.c_str()) != 0) CannotListen(address, std::strerror(errno));
}

void SetArguments(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Without this a second server shares the port instead of being told that it is taken.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
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
       std::shared_ptr<grpc::ServerCredentials> tls)
      : address_(address), names_(std::make_shared<std::vector<std::string>>()) {
    const std::optional<Address> parsed = ParseAddress(address);
    if (!parsed) CannotListen(address, "not host:port or unix:/path");
    const bool is_socket = !parsed->unix_path.empty();
    if (is_socket) MakeRoomForSocket(address, parsed->unix_path);

    // Both are switches of the whole process and stay on.
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();

    grpc::ServerBuilder builder;
    SetArguments(builder);
    int bound_port = 0;
    const std::string uri = is_socket ? "unix:" + parsed->unix_path : address;
    builder.AddListeningPort(
        uri, tls && !is_socket ? std::move(tls) : grpc::InsecureServerCredentials(), &bound_port);
    for (grpc::Service* service : services) builder.RegisterService(service);
    builder.SetOption(std::make_unique<ServiceNames>(names_));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || bound_port == 0) {
      if (is_socket) CannotListen(address, "check who may write to the directory of the socket");
      throw std::runtime_error(
          ListenProblem(kOption, parsed->host, parsed->port, "gRPC does not start"));
    }
    if (!is_socket) {
      port_ = static_cast<std::uint16_t>(bound_port);
      address_ = address.substr(0, address.rfind(':') + 1) + std::to_string(port_);
    }
    SetServing(true);
  }

  ~Impl() { Shutdown(Duration::zero()); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint16_t port() const { return port_; }
  const std::string& address() const { return address_; }

  void SetServing(bool serving) {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus("", serving);
    for (const std::string& name : *names_) health->SetServingStatus(name, serving);
  }

  void Shutdown(Duration grace) {
    std::call_once(shutdown_, [&] {
      server_->GetHealthCheckService()->Shutdown();
      server_->Shutdown(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
    });
  }

 private:
  std::string address_;
  std::uint16_t port_ = 0;
  const std::shared_ptr<std::vector<std::string>> names_;
  std::unique_ptr<grpc::Server> server_;
  std::once_flag shutdown_;
};

GrpcEndpoint::GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
                           std::shared_ptr<grpc::ServerCredentials> tls)
    : impl_(std::make_unique<Impl>(address, services, std::move(tls))) {}

GrpcEndpoint::~GrpcEndpoint() = default;

std::uint16_t GrpcEndpoint::port() const { return impl_->port(); }
const std::string& GrpcEndpoint::address() const { return impl_->address(); }
void GrpcEndpoint::SetServing(bool serving) { impl_->SetServing(serving); }
void GrpcEndpoint::Shutdown(Duration grace) { impl_->Shutdown(grace); }

void SilenceGrpcLog() {
  ::gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace runner
