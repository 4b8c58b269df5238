#pragma once

#include <cstddef>

namespace runner {

// Bounds in bytes on the texts of an incident, wherever they come from. Longer text of a server or
// an agent is cut; a peer of the dispatch protocol must keep to them.
constexpr std::size_t kMaxName = 253;  // a Kubernetes object name (RFC 1123 subdomain)
constexpr std::size_t kMaxUid = 128;
constexpr std::size_t kMaxContext = std::size_t{256} << 10;
constexpr std::size_t kMaxReport = std::size_t{64} << 10;

}  // namespace runner
