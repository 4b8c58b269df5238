#include "common/rpc/token_auth.h"

#include <string_view>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <openssl/crypto.h>

namespace runner {
namespace {

constexpr const char* kKey = "authorization";
constexpr std::string_view kScheme = "Bearer ";

std::string Credentials(const std::string& token) { return std::string(kScheme) + token; }

// Constant time for texts of one length: the duration must not reveal how much of a guess is right.
bool Same(const std::string& a, const grpc::string_ref& b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

TokenAuth::TokenAuth(const Clock& clock, const std::string& token_file, Logger logger)
    : clock_(clock),
      logger_(std::move(logger)),
      required_(!token_file.empty()),
      token_(token_file) {}

grpc::Status TokenAuth::Check(const grpc::ServerContextBase& context) {
  if (!required_) return grpc::Status::OK;
  const auto expected = Expected();
  if (const auto* problem = std::get_if<Problem>(&expected)) return Refuse(context, problem->text);
  const auto [first, last] = context.client_metadata().equal_range(kKey);
  for (auto presented = first; presented != last; ++presented) {
    if (Same(std::get<std::string>(expected), presented->second)) return grpc::Status::OK;
  }
  return Refuse(context, first == last ? "no token" : "wrong token");
}

std::variant<std::string, TokenAuth::Problem> TokenAuth::Expected() {
  const MutexLock lock(mutex_);
  if (const std::string* token = token_.Get()) return Credentials(*token);
  return Problem{token_.problem()};
}

// The message tells the caller what to do and discloses nothing about this machine.
grpc::Status TokenAuth::Refuse(const grpc::ServerContextBase& context, const std::string& why) {
  const std::string peer = context.peer();
  const std::string host = peer.substr(0, peer.rfind(':'));  // without the port
  if (const auto held = throttle_.Pass(clock_.Now().mono, host + " " + why)) {
    logger_.Warn("Call rejected", {{"peer", peer}, {"error", why}, {"lines_held_back", *held}});
  }
  return {grpc::StatusCode::UNAUTHENTICATED,
          "this call needs the shared token (--grpc-token-file), as authorization: Bearer TOKEN"};
}

void TokenAuth::Show(grpc::ClientContext& context) {
  if (!required_) return;
  const auto expected = Expected();
  if (const auto* presented = std::get_if<std::string>(&expected))
    context.AddMetadata(kKey, *presented);
}

}  // namespace runner
