#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "common/base/clock.h"
#include "common/loop/file_watch.h"
#include "common/observability/logger.h"
#include "common/security/certificates.h"
#include "common/security/tls_files.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace runner {

// Mutual TLS for gRPC, from three files. Both ends must show a certificate that leads to the
// authorities; a server's must be for the host that was dialled.
//
// Files that have changed are in use for connections that are made two seconds later; those that
// exist go on. A file that is missing, half written or does not fit the others changes nothing.
//
// gRPC does the handshake, WhyRefused says of each peer whether it is one: gRPC's own check would
// tell neither end whose certificate was refused, nor why. Each kind of refusal is logged once a
// minute; our own certificate is when it changes, and when it becomes one that peers refuse, by
// expiring for instance.
//
// Thread-safe. What it has made may outlive it.
class TlsCredentials {
 public:
  // Throws std::runtime_error when the files cannot be used.
  TlsCredentials(const Clock& clock, TlsFiles files, const Logger& logger);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  std::shared_ptr<grpc::ServerCredentials> ForServer() const;
  // For a server that is dialled as this host: a name or an IP address.
  std::shared_ptr<grpc::ChannelCredentials> ForChannel(const std::string& host) const;

  // For people: whose our certificate is, until when, and what speaks against it. A peer that
  // refuses it only hangs up.
  std::string OwnCertificateText() const;

 private:
  class State;

  std::optional<std::string> TakeUp(const std::variant<TlsMaterial, std::string>& loaded);
  FileWatch::Reading Look();

  const TlsFiles files_;
  const Logger logger_;
  const std::shared_ptr<State> state_;
  FileWatch watch_;
};

// Null when no files are named.
std::unique_ptr<TlsCredentials> MakeTls(const Clock& clock, const TlsFiles& files,
                                        const Logger& logger);

}  // namespace runner
