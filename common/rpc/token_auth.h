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

// One token that all who may change something share, in a file, read again when it changes; in a
// call it is the metadata `authorization: Bearer TOKEN` (RFC 6750). Without a file everybody may.
//
// Thread-safe.
class TokenAuth {
 public:
  TokenAuth(const Clock& clock, const std::string& token_file, Logger logger);  // empty: none

  // UNAUTHENTICATED, and a line in the log, unless the caller has shown the token. While none can
  // be read from the file, nobody has.
  grpc::Status Check(const grpc::ServerContextBase& context) EXCLUDES(mutex_);
  // Shows the token in a call that is to be made, if it can be read.
  void Show(grpc::ClientContext& context) EXCLUDES(mutex_);

 private:
  struct Problem {
    std::string text;
  };

  // What is to be shown, or why nobody can.
  std::variant<std::string, Problem> Wanted() EXCLUDES(mutex_);
  grpc::Status Refuse(const grpc::ServerContextBase& context, const std::string& why);

  const Clock& clock_;
  const Logger logger_;
  const bool required_;
  LogThrottle throttle_;
  Mutex mutex_;
  BearerToken token_ GUARDED_BY(mutex_);
};

}  // namespace runner
