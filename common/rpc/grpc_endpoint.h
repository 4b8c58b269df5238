#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace grpc {
class ServerCredentials;
class Service;
}  // namespace grpc

namespace runner {

class SessionPeers;

// A gRPC server on one address, with server reflection and the health service
// (grpc.health.v1.Health), which reports SERVING for "" and for every service. Serves from
// construction on. Closes connections that are dead, that do not become HTTP/2 within 10 s, or that
// have no call for a minute; permits keep-alive pings of clients. Thread-safe.
//
// Bounds: 1,024 connections, or an eighth of the descriptor limit if that is less (each takes two),
// and three quarters of them for one address; 100 concurrent calls on a connection. Above the
// limit, the oldest connection without a session is cut. Above 2,000 calls in total, or when the
// process has grown by 64 MiB, the connections that send most are cut, those with a session last.
// The services must use the callback API: a synchronous service takes a thread for each call.
class GrpcEndpoint {
 public:
  struct Options {
    // The peers that have a session; null: none. On a Unix socket, whose peers have no addresses,
    // connections older than 10 s count as connections with a session.
    std::shared_ptr<const SessionPeers> sessions = nullptr;
    // Called on a thread of the endpoint after connections were cut, at most once a minute for each
    // reason, with their number since the last call.
    std::function<void(const std::string& reason, std::size_t connections)> on_closed = {};
  };

  // `address` is host:port (port 0 picks a free port) or unix:/path; a socket file without a
  // listener is replaced. `tls` applies to host:port. Without it, and on a Unix socket, whose file
  // mode controls access, connections are plain text. The services must outlive the endpoint.
  // Throws std::runtime_error if it cannot listen.
  GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
               std::shared_ptr<grpc::ServerCredentials> tls, Options options);
  GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
               std::shared_ptr<grpc::ServerCredentials> tls = nullptr);
  // Calls Shutdown without grace, unless Shutdown was called.
  ~GrpcEndpoint();
  GrpcEndpoint(const GrpcEndpoint&) = delete;
  GrpcEndpoint& operator=(const GrpcEndpoint&) = delete;

  // The bound port; 0 for a Unix socket.
  std::uint16_t port() const;
  // The reason why the server has not accepted connections for 5 s; nothing if it accepts. Never
  // blocks.
  std::optional<std::string> Failure();
  // The address for clients, with the bound port.
  const std::string& address() const;

  // Sets the status of the health service, for "" and every service.
  void SetServing(bool serving);

  // Sets the health status to NOT_SERVING for good, rejects new calls, and cancels calls that still
  // run after `grace`. Returns when every call has ended. Further calls have no effect.
  void Shutdown(Duration grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Disables gRPC's own log lines, which would mix with ours on stderr. gRPC reports errors as a
// status or an exception as well. Call once, before gRPC is used.
void SilenceGrpcLog();

}  // namespace runner
