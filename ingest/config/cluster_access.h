#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/transport/http_request.h"

namespace runner::ingest {

// How the MCP server of a cluster is spoken to.
struct ClusterAccess {
  SourceMode mode = SourceMode::kAuto;
  Transport transport = Transport::kAuto;
  std::string token_file = {};  // empty: no token
  TlsFiles tls = {};
  HttpHeaders headers = {};         // with every request; their values are secrets
  std::string subscribe_tool = {};  // names of these tools at this server; empty: by default
  std::string events_tool = {};

  bool operator==(const ClusterAccess&) const = default;
};

constexpr std::size_t kMaxHeaders = 32;
constexpr std::size_t kMaxHeaderBytes = std::size_t{8} << 10;  // of one cluster

std::optional<SourceMode> ParseSourceMode(std::string_view word);
std::optional<Transport> ParseTransport(std::string_view word);

// What is wrong with a header that somebody wants sent (RFC 9110, section 5), or with a file, or
// nothing. Made to follow the name of an option. The value of a header is never shown.
std::optional<std::string> ValidateHeader(const std::string& name, const std::string& value);
// `label`: of the PEM block that the file must hold, such as CERTIFICATE.
std::optional<std::string> ValidatePemFile(const std::string& path, const std::string& label);
std::optional<std::string> ValidateTokenFile(const std::string& path);

// What does not go together.
std::vector<std::string> Contradictions(const std::string& endpoint, const ClusterAccess& access);

// Header names are compared without regard to case.
bool SameHeader(std::string_view a, std::string_view b);

}  // namespace runner::ingest
