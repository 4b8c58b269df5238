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

// Mutual TLS for gRPC, from three files. Both ends must present a certificate that chains to the
// authorities; a server's must match the host that the client connects to.
//
// Connections that are made two seconds after a file has changed use the new file; existing ones
// are kept. A file that is missing, half written or does not match the others changes nothing.
//
// gRPC does the handshake; WhyRefused checks the peer's certificate, because gRPC's own check
// reports neither the rejected certificate nor the reason. Each kind of rejection is logged once a
// minute. The own certificate is logged when it changes and when peers start to reject it, for
// example after it expired.
//
// Thread-safe. The credentials it has made may outlive it.
class TlsCredentials {
 public:
  // Throws std::runtime_error if the files cannot be used.
  TlsCredentials(const Clock& clock, TlsFiles files, const Logger& logger);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  std::shared_ptr<grpc::ServerCredentials> ForServer() const;
  // Credentials for a server that is reached as this host: a name or an IP address.
  std::shared_ptr<grpc::ChannelCredentials> ForChannel(const std::string& host) const;

  // For error messages: subject and expiry of the own certificate, and why peers would reject it. A
  // peer that rejects it closes the connection without a reason.
  std::string OwnCertificateText() const;

 private:
  class State;

  std::optional<std::string> Apply(const std::variant<TlsMaterial, std::string>& loaded);
  FileWatch::Reading Load();

  const TlsFiles files_;
  const Logger logger_;
  const std::shared_ptr<State> state_;
  FileWatch watch_;
};

// Returns null if no files are named.
std::unique_ptr<TlsCredentials> MakeTls(const Clock& clock, const TlsFiles& files,
                                        const Logger& logger);

}  // namespace runner
