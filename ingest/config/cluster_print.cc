#include "ingest/config/cluster_print.h"

#include <string_view>

#include <yaml-cpp/yaml.h>

namespace runner::ingest {
namespace {

constexpr const char* kMask = "***";

std::string WithoutQuery(const std::string& endpoint) {
  const auto end = endpoint.find_first_of("?#");
  return end == std::string::npos ? endpoint : endpoint.substr(0, end) + "?" + kMask;
}

void Print(YAML::Emitter& out, const char* key, const std::string& value) {
  out << YAML::Key << key << YAML::Value << value;
}

void PrintIfSet(YAML::Emitter& out, const char* key, const std::string& value) {
  if (!value.empty()) Print(out, key, value);
}

void Print(YAML::Emitter& out, const char* key, const NameRules& rules) {
  out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginMap;
  out << YAML::Key << "allow" << YAML::Value << rules.allow;
  out << YAML::Key << "deny" << YAML::Value << rules.deny;
  out << YAML::EndMap;
}

void PrintAccess(YAML::Emitter& out, const ClusterAccess& access) {
  Print(out, "mode", std::string(ToString(access.mode)));
  Print(out, "transport", std::string(ToString(access.transport)));
  Print(out, "token_file", access.token_file);
  PrintIfSet(out, "ca_file", access.tls.ca);
  PrintIfSet(out, "client_cert_file", access.tls.certificate);
  PrintIfSet(out, "client_key_file", access.tls.key);
  PrintIfSet(out, "subscribe_tool", access.subscribe_tool);
  PrintIfSet(out, "events_tool", access.events_tool);
  if (access.headers.empty()) return;
  out << YAML::Key << "headers" << YAML::Value << YAML::BeginMap;
  for (const auto& [name, value] : access.headers) Print(out, name.c_str(), kMask);
  out << YAML::EndMap;
}

void PrintFilter(YAML::Emitter& out, const FilterRules& filter) {
  out << YAML::Key << "triage" << YAML::Value << filter.triage;
  Print(out, "severity_threshold", std::string(ToString(filter.severity_threshold)));
  Print(out, "namespaces", filter.namespaces);
  Print(out, "kinds", filter.kinds);
  Print(out, "fault_types", filter.fault_types);
}

}  // namespace

std::string PrintClusters(const std::vector<ClusterConfig>& clusters) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "clusters" << YAML::Value << YAML::BeginSeq;
  for (const ClusterConfig& cluster : clusters) {
    out << YAML::BeginMap;
    Print(out, "name", cluster.name);
    Print(out, "endpoint", WithoutQuery(cluster.endpoint));
    PrintAccess(out, cluster.access);
    PrintFilter(out, cluster.filter);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace runner::ingest
