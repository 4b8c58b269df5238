#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace runner::ingest {

// Returns the error in a configured URL of an MCP server, or nothing. The text follows the name of
// an option, and shows neither user nor query. The caller removes white space around the URL. Pure.
std::optional<std::string> ValidateEndpoint(const std::string& endpoint);

// The URL for POSTs that an SSE server names (MCP 2024-11-05, "HTTP with SSE"), resolved against
// the URL of the stream (RFC 3986, section 5), as libcurl would read it. Nothing if it is no URL,
// names a user, or has another origin: scheme, host or port. Pure.
std::optional<std::string> ResolveEndpoint(const std::string& base, std::string_view reference);

}  // namespace runner::ingest
