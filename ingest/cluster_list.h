#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ingest/core/event_filter.h"

namespace YAML {
class Node;
}

namespace runner::ingest {

// One MCP server to listen to.
struct ClusterConfig {
  std::string name;
  std::string endpoint;
  FilterRules filter;
};

// What is wrong with a name or an endpoint, or nothing. Made to follow the name of an option.
std::optional<std::string> WrongWithName(const std::string& name);
std::optional<std::string> WrongWithEndpoint(const std::string& endpoint);

// The `clusters` of a configuration file, at most 20,000:
//
//   clusters:
//     - name: prod-us-east-1       # required, unique, a DNS label
//       endpoint: http://...:8080/mcp
//       triage: true
//       severity_threshold: warning
//       namespaces: {allow: ["*"], deny: ["kube-*"]}
//       kinds: {allow: ["*"]}
//       fault_types: {allow: ["*"]}
//
// Problems name the file and the line.
std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        Severity default_threshold,
                                        std::vector<std::string>& problems);

}  // namespace runner::ingest
