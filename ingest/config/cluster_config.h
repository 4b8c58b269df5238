#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/option.h"
#include "ingest/core/event_filter.h"
#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/transport/http_request.h"

namespace runner::ingest {

// How ingest connects to the MCP server of a cluster.
struct ClusterAccess {
  SourceMode mode = SourceMode::kAuto;
  Transport transport = Transport::kAuto;
  std::string token_file = {};  // empty: no token
  TlsFiles tls = {};
  HttpHeaders headers = {};         // sent with every request; the values are secrets
  std::string subscribe_tool = {};  // names of these tools at this server; empty: the default
  std::string events_tool = {};

  bool operator==(const ClusterAccess&) const = default;
};

// One cluster: its MCP server, and which of its events are investigated.
struct ClusterConfig {
  std::string name;  // a DNS label
  std::string endpoint;
  FilterRules filter = {};
  ClusterAccess access = {};
};

constexpr std::size_t kMaxHeaders = 32;                        // of one cluster
constexpr std::size_t kMaxHeaderBytes = std::size_t{8} << 10;  // of one cluster, names and values

EnumWords<SourceMode> SourceModeWords();
EnumWords<Transport> TransportWords();

// Each of these returns "<what is wrong>; <what is expected>", to be put behind the name of an
// option or a key, or nothing.
std::optional<std::string> ValidateName(const std::string& name);
// RFC 9110, section 5. The result never contains the value.
std::optional<std::string> ValidateHeader(const std::string& name, const std::string& value);
// Reads the file, which must have a PEM block with this label, such as CERTIFICATE.
std::optional<std::string> ValidatePemFile(const std::string& path, const std::string& label);
// Reads the file.
std::optional<std::string> ValidateTokenFile(const std::string& path);

// Returns the problems that several keys cause together.
std::vector<std::string> ValidateAccess(const std::string& endpoint, const ClusterAccess& access);

// Header names are compared without regard to case.
bool IsSameHeader(std::string_view a, std::string_view b);
bool HasAuthorization(const HttpHeaders& headers);

// Returns the clusters as YAML for a configuration file, with every key. The values of headers and
// the query of an endpoint are masked.
std::string PrintClusters(const std::vector<ClusterConfig>& clusters);

}  // namespace runner::ingest
