#include "common/call_guard.h"

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

// Takes as long for any two texts of one length: how much of a guess is right is not to be told by
// the time.
bool Same(const std::string& a, grpc::string_ref b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

CallGuard::CallGuard(const Clock& clock, const std::string& token_file, Logger logger)
    : clock_(clock), logger_(std::move(logger)) {
  if (!token_file.empty()) token_.emplace(token_file);
}

grpc::Status CallGuard::Check(const grpc::ServerContextBase& context) {
  const auto [wanted, problem] = Wanted();
  if (!wanted && problem.empty()) return grpc::Status::OK;
  if (!wanted) return Refuse(context, problem);
  const auto [first, last] = context.client_metadata().equal_range(kKey);
  for (auto shown = first; shown != last; ++shown) {
    if (Same(*wanted, shown->second)) return grpc::Status::OK;
  }
  return Refuse(context, first == last ? "no token" : "another token");
}

// What is to be shown, or why nobody can; neither: nothing need be.
std::pair<std::optional<std::string>, std::string> CallGuard::Wanted() {
  const MutexLock lock(mutex_);
  if (!token_) return {};
  const std::string* token = token_->Get();
  if (token == nullptr) return {std::nullopt, token_->problem()};
  return {Credentials(*token), ""};
}

// The caller is told what to do, and nothing of this machine.
grpc::Status CallGuard::Refuse(const grpc::ServerContextBase& context, const std::string& why) {
  const std::string peer = context.peer();
  const std::string host = peer.substr(0, peer.rfind(':'));  // without the port
  if (const auto held = trickle_.Pass(clock_.Now().mono, host + " " + why)) {
    logger_.Warn("Call refused", {{"peer", peer}, {"error", why}, {"lines_held_back", *held}});
  }
  return {grpc::StatusCode::UNAUTHENTICATED,
          "this call needs the shared token (--grpc-token-file), as authorization: Bearer TOKEN"};
}

void CallGuard::Show(grpc::ClientContext& context) {
  if (const auto shown = Wanted().first) context.AddMetadata(kKey, *shown);
}

}  // namespace runner
