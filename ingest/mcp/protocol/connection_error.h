#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner::ingest {

// Why a connection to an MCP server failed: a closed set, one word each, the `reason` label of the
// connection metrics.
enum class ErrorClass {
  kNetwork,  // refused, reset, DNS
  kTimeout,  // no answer in time
  kTls,
  kAuth,            // 401, 403
  kServer,          // 5xx, 429
  kProtocol,        // wrong content type, bad JSON-RPC, oversize
  kSessionExpired,  // 404 on a known session
  kStreamClosed,    // the server ended the stream
  kSubscription,    // refused or lost
};
constexpr std::size_t kErrorClassCount = 9;

std::string_view ToString(ErrorClass error);

struct ConnectionFailure {
  ErrorClass error = ErrorClass::kNetwork;
  std::string detail;                   // for people; never a secret
  std::optional<Duration> retry_after;  // from the server
  bool retry_slowly = false;            // an early retry cannot help: use the longest delay
};

}  // namespace runner::ingest
