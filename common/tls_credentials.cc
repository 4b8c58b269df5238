#include "common/tls_credentials.h"

#include <functional>
#include <utility>
#include <variant>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "common/small_file.h"
#include "common/trickle.h"

namespace runner {
namespace {

namespace tls = grpc::experimental;

constexpr unsigned kRefreshSeconds = 1;
// A certificate expires without that its file changes.
constexpr Duration kLookAgain = std::chrono::minutes(1);
constexpr std::size_t kMaxAuthoritiesBytes = std::size_t{1} << 20;

// Asked by gRPC after each handshake, on one of its threads. The authorities are read each time: a
// handshake costs more, and so none is decided by what was trusted a moment ago.
class PeerVerifier final : public tls::ExternalCertificateVerifier {
 public:
  PeerVerifier(const Clock& clock, std::string ca_file, TlsRole peer, std::string host,
               Logger logger)
      : clock_(clock),
        ca_file_(std::move(ca_file)),
        peer_(peer),
        host_(std::move(host)),
        logger_(std::move(logger)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    if (const auto why = WhyNot(*request)) {
      if (const auto held = trickle_.Pass(clock_.Now().mono, *why)) {
        logger_.Warn("TLS peer refused", {{"error", *why},
                                          {"peer", peer_ == TlsRole::kClient ? "client" : "server"},
                                          {"lines_held_back", *held}});
      }
      *status = {grpc::StatusCode::UNAUTHENTICATED, *why};
    }
    return true;  // it is decided
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  std::optional<std::string> WhyNot(const tls::TlsCustomVerificationCheckRequest& request) const {
    const auto read = ReadSmallFile(ca_file_, kMaxAuthoritiesBytes);
    if (const auto* why = std::get_if<std::string>(&read)) {
      return "authorities " + ca_file_ + ": " + *why;
    }
    const auto text = [](grpc::string_ref part) { return std::string(part.data(), part.size()); };
    return WhyRefused({text(request.peer_cert()), text(request.peer_cert_full_chain())},
                      std::get<SmallFile>(read).text, peer_, host_);
  }

  const Clock& clock_;
  const std::string ca_file_;
  const TlsRole peer_;
  const std::string host_;
  const Logger logger_;
  Trickle trickle_;
};

std::shared_ptr<tls::CertificateProviderInterface> Provider(const TlsFiles& files) {
  return std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.certificate,
                                                               files.ca, kRefreshSeconds);
}

// The verifier decides, so gRPC's own checks of the chain and the host are off.
void SetOptions(tls::TlsCredentialsOptions& options,
                std::shared_ptr<tls::CertificateVerifier> verifier) {
  options.watch_identity_key_cert_pairs();
  options.watch_root_certs();
  options.set_certificate_verifier(std::move(verifier));
  options.set_check_call_host(false);
}

}  // namespace

TlsCredentials::TlsCredentials(const Clock& clock, TlsFiles files, const Logger& logger)
    : files_(std::move(files)),
      logger_(logger.Named("tls")),
      clock_(clock),
      watch_(
          clock, files_.certificate, std::nullopt,
          [this] {
            LookAtOwn();
            return FileWatch::Reading{.act = [] {}, .is_good = false};
          },
          kLookAgain) {
  LookAtOwn();
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials::ForServer() const {
  tls::TlsServerCredentialsOptions options(Provider(files_));
  SetOptions(options, tls::ExternalCertificateVerifier::Create<PeerVerifier>(
                          clock_, files_.ca, TlsRole::kClient, "", logger_));
  // Not required of the handshake: the verifier refuses who has none, and says so.
  options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  return tls::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> TlsCredentials::ForChannel(
    const std::string& host) const {
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Provider(files_));
  SetOptions(options, tls::ExternalCertificateVerifier::Create<PeerVerifier>(
                          clock_, files_.ca, TlsRole::kServer, host, logger_));
  options.set_verify_server_certs(false);
  return tls::TlsCredentials(options);
}

std::string TlsCredentials::OwnCertificateText() const {
  const MutexLock lock(mutex_);
  return own_;
}

void TlsCredentials::LookAtOwn() {
  const OwnCertificate own = ReadOwnCertificate(files_);
  std::string text = own.subject + ", valid until " + own.not_after;
  if (own.doubt) text = *own.doubt;
  {
    const MutexLock lock(mutex_);
    if (std::exchange(own_, text) == text) return;
  }
  if (own.doubt) {
    logger_.Error("Own certificate is one that peers refuse", {{"error", *own.doubt}});
  } else {
    logger_.Info("Own certificate", {{"subject", own.subject}, {"not_after", own.not_after}});
  }
}

std::unique_ptr<TlsCredentials> MakeTls(const Clock& clock, const TlsFiles& files,
                                        const Logger& logger) {
  if (files.certificate.empty()) return nullptr;
  return std::make_unique<TlsCredentials>(clock, files, logger);
}

}  // namespace runner
