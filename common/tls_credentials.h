#pragma once

#include <memory>
#include <string>

#include "common/certificates.h"
#include "common/clock.h"
#include "common/file_watch.h"
#include "common/logging.h"
#include "common/mutex.h"
#include "common/tls_files.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace runner {

// Mutual TLS for gRPC, from three files. Both ends must show a certificate that leads to the
// authorities; a server's must be for the host that was dialled. Renewed files are in use for
// connections that are made a second or two later; those that exist go on.
//
// gRPC does the handshake, WhyRefused says of each peer whether it is one: gRPC's own check would
// tell neither end whose certificate was refused, nor why. One line is logged for each refusal, and
// one when our own certificate changes or becomes one that peers refuse, by expiring for instance.
//
// Thread-safe. What it has made may outlive it, but not the clock.
class TlsCredentials {
 public:
  TlsCredentials(const Clock& clock, TlsFiles files, const Logger& logger);
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  std::shared_ptr<grpc::ServerCredentials> ForServer() const;
  // For a server that is dialled as this host: a name or an IP address.
  std::shared_ptr<grpc::ChannelCredentials> ForChannel(const std::string& host) const;

  // For people: whose our certificate is, until when, and what speaks against it. A peer that
  // refuses it only hangs up.
  std::string OwnCertificateText() const EXCLUDES(mutex_);

 private:
  void LookAtOwn() EXCLUDES(mutex_);

  const TlsFiles files_;
  const Logger logger_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::string own_ GUARDED_BY(mutex_);
  FileWatch watch_;
};

// Null when no files are named.
std::unique_ptr<TlsCredentials> MakeTls(const Clock& clock, const TlsFiles& files,
                                        const Logger& logger);

}  // namespace runner
