#pragma once

#include <string>
#include <vector>

#include "ingest/config/cluster_config.h"

namespace YAML {
class Node;
}

namespace runner::ingest {

// Reads `clusters` of a configuration file, at most 20,000:
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
// A key that an item does not set is as in `defaults`. `token_file: ""` means no token; neither has
// an item one that sets the header Authorization and no token_file. The files that an item names
// must be readable. Problems begin with FILE:LINE and never contain the value of a header.
std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        const ClusterConfig& defaults,
                                        std::vector<std::string>& problems);

}  // namespace runner::ingest
