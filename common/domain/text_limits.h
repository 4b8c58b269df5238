#pragma once

#include <cstddef>

namespace runner {

// Bounds in bytes on the texts of an incident, whatever their source. Longer text from an MCP
// server or an agent is truncated; longer text from a peer of the dispatch protocol is rejected.
constexpr std::size_t kMaxName = 253;  // a Kubernetes object name (RFC 1123 subdomain)
constexpr std::size_t kMaxUid = 128;
constexpr std::size_t kMaxContext = std::size_t{256} << 10;
constexpr std::size_t kMaxReport = std::size_t{64} << 10;

}  // namespace runner
