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

// A gRPC server on one address, with what every server of ours has: server reflection
// and the health service (grpc.health.v1.Health), SERVING for "" and for every service. Serves from
// construction on. Closes connections that are dead, that do not become HTTP/2 within 10 s, or that
// have no call for a minute, and permits the pings by which clients find out the same. Thread-safe.
//
// Bounds: 1,024 connections, or an eighth of the limit of descriptors when that is less (each takes
// two), and three quarters of them for one address; 100 calls at a time on a connection. With one
// too many, the oldest without a session is cut. With more than 2,000 calls in all, or when the
// process has grown by 64 MiB, the connections that send most are cut, those with a session last.
// The services must be those of the callback API: a synchronous one takes a thread for each call.
class GrpcEndpoint {
 public:
  struct Options {
    // Who has a session; null: nobody. On a Unix socket, whose peers have no names, connections
    // older than 10 s are treated as if they had one when there is one too many.
    std::shared_ptr<const SessionPeers> sessions = nullptr;
    // Connections were cut for this reason since it was last called with it: at most once a minute
    // for each reason. On a thread of the endpoint.
    std::function<void(const std::string& reason, std::size_t connections)> on_closed = {};
  };

  // `address` is host:port (port 0 picks a free one) or unix:/path; a socket file that nobody
  // listens on any more is replaced. `tls` is for host:port; null, and on a socket, whose file says
  // who may connect, it is plain text. The services outlive the endpoint. Throws
  // std::runtime_error when it cannot listen.
  GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
               std::shared_ptr<grpc::ServerCredentials> tls, Options options);
  GrpcEndpoint(const std::string& address, const std::vector<grpc::Service*>& services,
               std::shared_ptr<grpc::ServerCredentials> tls = nullptr);
  // Shutdown without grace, if there was none.
  ~GrpcEndpoint();
  GrpcEndpoint(const GrpcEndpoint&) = delete;
  GrpcEndpoint& operator=(const GrpcEndpoint&) = delete;

  // The port that was bound; 0 for a Unix socket.
  std::uint16_t port() const;
  // The reason why the server has not accepted connections for 5 s; nothing when it does. Never
  // waits.
  std::optional<std::string> Failure();
  // As clients dial it: the address with the port that was bound.
  const std::string& address() const;

  // What the health service says, for "" and every service.
  void SetServing(bool serving);

  // Health turns NOT_SERVING for good, new calls are refused, and calls that still run after
  // `grace` are cancelled. Returns when every call has ended. Later calls do nothing.
  void Shutdown(Duration grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Keeps gRPC's own lines out of stderr, where every line is one of ours. What goes wrong comes back
// as a status or an exception. Once, before gRPC is used.
void SilenceGrpcLog();

}  // namespace runner
