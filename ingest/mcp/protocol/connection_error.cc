#include "ingest/mcp/protocol/connection_error.h"

#include <array>

namespace runner::ingest {

std::string_view ToString(ErrorClass error) {
  constexpr std::array<std::string_view, kErrorClassCount> kWords = {
      "network",  "timeout",         "tls",           "auth",        "server",
      "protocol", "session_expired", "stream_closed", "subscription"};
  return kWords[static_cast<std::size_t>(error)];
}

}  // namespace runner::ingest
