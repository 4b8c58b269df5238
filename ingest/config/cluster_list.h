#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ingest/config/cluster_access.h"
#include "ingest/core/event_filter.h"

namespace YAML {
class Node;
}

namespace runner::ingest {

// One MCP server to listen to.
struct ClusterConfig {
  std::string name;
  std::string endpoint;
  FilterRules filter = {};
  ClusterAccess access = {};
};

// Returns the error in a name, or nothing; the text follows the name of an option.
std::optional<std::string> ValidateName(const std::string& name);

// The `clusters` of a configuration file, at most 20,000:
//
//   clusters:
//     - name: prod-us-east-1       # required, unique, a DNS label
//       endpoint: https://...:8443/mcp
//       mode: auto                 # faults, events, poll
//       transport: auto            # streamable-http, sse
//       token_file: /var/run/secrets/mcp/token
//       ca_file: /etc/ssl/mcp-ca.pem
//       client_cert_file: /etc/ssl/mcp-client.pem
//       client_key_file: /etc/ssl/mcp-client.key
//       headers: {X-Team: sre}     # at most 32, 8 KiB in all
//       subscribe_tool: k8s_events_subscribe  # names of the tools, where a gateway renames them
//       events_tool: k8s_events_list
//       triage: true
//       severity_threshold: warning
//       namespaces: {allow: ["*"], deny: ["kube-*"]}
//       kinds: {allow: ["*"]}
//       fault_types: {allow: ["*"]}
//
// What an item does not say is as in `defaults`; `token_file: ""` is no token, and an item that
// sets the header Authorization has none either unless it says so. The files that it names must be
// readable. Problems name the file and the line, and never the value of a header.
std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        const ClusterConfig& defaults,
                                        std::vector<std::string>& problems);

}  // namespace runner::ingest
