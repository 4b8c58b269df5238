#include "ingest/mcp/protocol/mcp_protocol.h"

#include <array>

namespace runner::ingest {

std::string_view ToString(McpMode mode) {
  constexpr std::array<std::string_view, 4> kWords = {"auto", "faults", "events", "poll"};
  return kWords[static_cast<std::size_t>(mode)];
}

std::string_view ToString(Transport transport) {
  constexpr std::array<std::string_view, 3> kWords = {"auto", "streamable-http", "sse"};
  return kWords[static_cast<std::size_t>(transport)];
}

}  // namespace runner::ingest
