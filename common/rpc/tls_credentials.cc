#include "common/rpc/tls_credentials.h"

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "common/base/memfd_file.h"
#include "common/base/mutex.h"
#include "common/observability/log_throttle.h"

// After common/base/mutex.h, whose macros have the names of abseil's.
#include <grpc/support/log.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace runner {
namespace {

namespace tls = grpc::experimental;

constexpr unsigned kRefreshSeconds = 1;
// A certificate can expire although its file does not change.
constexpr Duration kRecheckInterval = std::chrono::minutes(1);

// Counts handshakes that fail before a certificate is checked, as with a peer that speaks plain
// text. gRPC reports them only in its log, of which a process has one.
struct FailedHandshakes {
  const Logger logger;
  const SystemClock clock;
  LogThrottle throttle;
};

// Never destroyed: threads of gRPC may log until the process ends.
std::atomic<std::shared_ptr<FailedHandshakes>>& Failed() {
  static auto* const failed = new std::atomic<std::shared_ptr<FailedHandshakes>>;
  return *failed;
}

void OnGrpcLog(gpr_log_func_args* line) {
  constexpr std::string_view kStart = "Handshake failed with fatal error";
  const std::string_view message = line->message;
  const auto failed = Failed().load();
  if (failed == nullptr || !message.starts_with(kStart)) return;
  // For example "...: error:0A00010B:SSL routines::wrong version number."
  std::string cause(message.substr(message.rfind(':') + 1));
  if (cause.ends_with('.')) cause.pop_back();
  if (const auto held = failed->throttle.Pass(failed->clock.Now().mono, cause)) {
    failed->logger.Warn("TLS handshake failed", {{"error", cause}, {"lines_held_back", *held}});
  }
}

// An empty logger stops the forwarding.
void ForwardFailedHandshakes(const std::optional<Logger>& logger) {
  Failed() = logger ? std::make_shared<FailedHandshakes>(*logger) : nullptr;
  ::gpr_set_log_function(&OnGrpcLog);
}

TlsMaterial LoadOrThrow(const TlsFiles& files) {
  auto loaded = LoadTls(files);
  if (const auto* why = std::get_if<std::string>(&loaded)) throw std::runtime_error(*why);
  return std::get<TlsMaterial>(std::move(loaded));
}

}  // namespace

// The material in use: that of the last usable files. gRPC reads copies of them in memory. From the
// files themselves gRPC would load any content, matching or not, and it aborts the process on an
// empty file, such as one that is being written (seen with gRPC 1.51).
class TlsCredentials::State : public std::enable_shared_from_this<State> {
 public:
  explicit State(const TlsMaterial& material)
      : material_(material), identity_(Identity(material)), roots_(material.authorities) {}

  void Use(const TlsMaterial& material) {
    const MutexLock lock(mutex_);
    if (Identity(material) != Identity(material_)) identity_.Replace(Identity(material));
    if (material.authorities != material_.authorities) roots_.Replace(material.authorities);
    material_ = material;
  }
  TlsMaterial material() const {
    const MutexLock lock(mutex_);
    return material_;
  }
  std::string authorities() const {
    const MutexLock lock(mutex_);
    return material_.authorities;
  }

  // Returns false if the text is the same as before.
  bool SetText(const std::string& text) {
    const MutexLock lock(mutex_);
    return std::exchange(text_, text) != text;
  }
  std::string text() const {
    const MutexLock lock(mutex_);
    return text_;
  }

  std::shared_ptr<tls::CertificateProviderInterface> Provider() const {
    const MutexLock lock(mutex_);
    return std::make_shared<tls::FileWatcherCertificateProvider>(identity_.path(), identity_.path(),
                                                                 roots_.path(), kRefreshSeconds);
  }
  // The verifier decides, so gRPC's own checks of the chain and the host are off.
  void Set(tls::TlsCredentialsOptions& options, TlsRole peer, const std::string& host,
           const Logger& logger);

 private:
  class Verifier;

  // In one file, so that key and certificate are replaced in one step.
  static std::string Identity(const TlsMaterial& material) {
    return material.key + "\n" + material.certificate;
  }

  mutable Mutex mutex_;
  TlsMaterial material_ GUARDED_BY(mutex_);
  std::string text_ GUARDED_BY(mutex_);
  MemfdFile identity_ GUARDED_BY(mutex_);
  MemfdFile roots_ GUARDED_BY(mutex_);
};

// gRPC calls it after each handshake, on one of its threads.
class TlsCredentials::State::Verifier final : public tls::ExternalCertificateVerifier {
 public:
  Verifier(std::shared_ptr<State> state, TlsRole peer, std::string host, Logger logger)
      : state_(std::move(state)), peer_(peer), host_(std::move(host)), logger_(std::move(logger)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    const auto text = [](const grpc::string_ref& part) {
      return std::string(part.data(), part.size());
    };
    const auto refusal =
        WhyRefused({text(request->peer_cert()), text(request->peer_cert_full_chain())},
                   state_->authorities(), peer_, host_);
    if (refusal) {
      if (const auto held = throttle_.Pass(clock_.Now().mono, refusal->cause)) {
        logger_.Warn("TLS peer rejected",
                     {{"error", refusal->text},
                      {"peer", peer_ == TlsRole::kClient ? "client" : "server"},
                      {"lines_held_back", *held}});
      }
      *status = {grpc::StatusCode::UNAUTHENTICATED, refusal->text};
    }
    return true;  // decided synchronously
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::shared_ptr<State> state_;
  const TlsRole peer_;
  const std::string host_;
  const Logger logger_;
  const SystemClock clock_;  // an own clock: gRPC decides when this object is destroyed
  LogThrottle throttle_;
};

void TlsCredentials::State::Set(tls::TlsCredentialsOptions& options, TlsRole peer,
                                const std::string& host, const Logger& logger) {
  options.watch_identity_key_cert_pairs();
  options.watch_root_certs();
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<Verifier>(shared_from_this(), peer, host, logger));
  options.set_check_call_host(false);
}

TlsCredentials::TlsCredentials(const Clock& clock, TlsFiles files, const Logger& logger)
    : files_(std::move(files)),
      logger_(logger.Named("tls")),
      state_(std::make_shared<State>(LoadOrThrow(files_))),
      watch_(
          clock, {files_.certificate, files_.key, files_.ca}, FileWatch::Identities(3),
          [this] { return Load(); }, kRecheckInterval) {
  ForwardFailedHandshakes(logger_);
  Load().act();
}

TlsCredentials::~TlsCredentials() { ForwardFailedHandshakes(std::nullopt); }

std::shared_ptr<grpc::ServerCredentials> TlsCredentials::ForServer() const {
  tls::TlsServerCredentialsOptions options(state_->Provider());
  state_->Set(options, TlsRole::kClient, "", logger_);
  // The handshake does not require a certificate: the verifier rejects a peer without one, and logs
  // it.
  options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  return tls::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> TlsCredentials::ForChannel(
    const std::string& host) const {
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(state_->Provider());
  state_->Set(options, TlsRole::kServer, host, logger_);
  options.set_verify_server_certs(false);
  return tls::TlsCredentials(options);
}

std::string TlsCredentials::OwnCertificateText() const { return state_->text(); }

// Returns the reason if the material is not in use. If a copy cannot be made, for lack of a
// descriptor for example, the old material stays in use and the next attempt follows in a minute.
std::optional<std::string> TlsCredentials::Apply(
    const std::variant<TlsMaterial, std::string>& loaded) {
  if (const auto* why = std::get_if<std::string>(&loaded)) return *why;
  try {
    state_->Use(std::get<TlsMaterial>(loaded));
    return std::nullopt;
  } catch (const std::system_error& error) {
    return error.what();
  }
}

FileWatch::Reading TlsCredentials::Load() {
  const auto act = [this, loaded = LoadTls(files_)] {
    const std::optional<std::string> problem = Apply(loaded);
    const OwnCertificate own = DescribeOwn(state_->material());
    const std::string text = own.doubt.value_or(own.subject + ", valid until " + own.not_after);
    if (problem) {
      if (!state_->SetText(text + "; reload failed: " + *problem)) return;
      logger_.Error("TLS files not reloaded", {{"error", *problem}, {"in_use", text}});
    } else if (!state_->SetText(text)) {
      return;
    } else if (own.doubt) {
      logger_.Error("TLS certificate not acceptable to peers", {{"error", *own.doubt}});
    } else {
      logger_.Info("TLS certificate loaded",
                   {{"subject", own.subject}, {"not_after", own.not_after}});
    }
  };
  return {act, false};  // a certificate that is valid now may expire later
}

std::unique_ptr<TlsCredentials> MakeTls(const Clock& clock, const TlsFiles& files,
                                        const Logger& logger) {
  if (files.certificate.empty()) return nullptr;
  return std::make_unique<TlsCredentials>(clock, files, logger);
}

}  // namespace runner
