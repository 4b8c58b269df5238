#pragma once

#include <string>
#include <variant>

#include <grpcpp/support/status.h>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/observability/log_throttle.h"
#include "common/observability/logger.h"
#include "common/security/bearer_token.h"

namespace grpc {
class ClientContext;
class ServerContextBase;
}  // namespace grpc

namespace runner {

// One token, in a file, shared by all clients that may change something. The file is read again
// when it changes. A call carries the token as metadata `authorization: Bearer TOKEN` (RFC 6750).
// Without a configured file every call is permitted.
//
// Thread-safe.
class TokenAuth {
 public:
  // `token_file` is empty if there is none.
  TokenAuth(const Clock& clock, const std::string& token_file, Logger logger);

  // Returns UNAUTHENTICATED and logs it, unless the call carries the token. While the file cannot
  // be read, every call is rejected.
  grpc::Status Check(const grpc::ServerContextBase& context) EXCLUDES(mutex_);
  // Adds the token to an outgoing call, if it can be read.
  void Show(grpc::ClientContext& context) EXCLUDES(mutex_);

 private:
  struct Problem {
    std::string text;
  };

  // The expected token, or why it is not available.
  std::variant<std::string, Problem> Expected() EXCLUDES(mutex_);
  grpc::Status Refuse(const grpc::ServerContextBase& context, const std::string& why);

  const Clock& clock_;
  const Logger logger_;
  const bool required_;
  LogThrottle throttle_;
  Mutex mutex_;
  BearerToken token_ GUARDED_BY(mutex_);
};

}  // namespace runner
