#include "ingest/cluster_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "common/config_file.h"
#include "common/config_values.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxPatterns = 200'000;                        // of all clusters
constexpr std::size_t kMaxHeaderBytesOfAll = std::size_t{32} << 20;  // of all clusters
constexpr std::size_t kMaxText = 2'048;

}  // namespace

ClusterConfig ClusterReader::Read(const YAML::Node& item, const ClusterConfig& defaults) {
  ClusterConfig cluster = defaults;
  cluster.name.clear();
  cluster.endpoint.clear();
  if (!item.IsMap()) {
    Problem(item, "allowed: an item with name and endpoint");
    return cluster;
  }
  std::set<std::string> seen;
  for (const auto& entry : item) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (entry.second.IsNull()) continue;  // as good as not there
    if (!seen.insert(key).second) Problem(entry.first, QuoteValue(key) + " stands twice");
    if (!ReadIdentity(key, entry.first, entry.second, cluster) &&
        !ReadAccess(key, entry.first, entry.second, cluster.access) &&
        !ReadFilter(key, entry.first, entry.second, cluster.filter)) {
      Unknown(key, entry.first,
              {"name", "endpoint", "mode", "transport", "token_file", "ca_file", "client_cert_file",
               "client_key_file", "headers", "triage", "severity_threshold", "namespaces", "kinds",
               "fault_types"});
    }
  }
  CheckWhole(item, seen, cluster);
  return cluster;
}

void ClusterReader::CheckWhole(const YAML::Node& item, const std::set<std::string>& seen,
                               ClusterConfig& cluster) {
  for (const char* required : {"name", "endpoint"}) {
    if (!seen.contains(required)) Problem(item, std::string(required) + " is required");
  }
  const HttpHeaders& headers = cluster.access.headers;
  if (!seen.contains("token_file") &&
      std::any_of(headers.begin(), headers.end(),
                  [](const auto& header) { return SameHeader(header.first, "Authorization"); })) {
    cluster.access.token_file.clear();
  }
  for (const std::string& problem : Contradictions(cluster.endpoint, cluster.access)) {
    Problem(item, problem);
  }
}

bool ClusterReader::ReadIdentity(const std::string& key, const YAML::Node& at,
                                 const YAML::Node& value, ClusterConfig& cluster) {
  if (key == "name") {
    cluster.name = Text(key, value);
    if (const auto wrong = WrongWithName(cluster.name)) Problem(at, "name: " + *wrong);
  } else if (key == "endpoint") {
    cluster.endpoint = Text(key, value);
    if (const auto wrong = WrongWithEndpoint(cluster.endpoint)) {
      Problem(at, "endpoint: " + *wrong);
    }
  } else {
    return false;
  }
  return true;
}

bool ClusterReader::ReadAccess(const std::string& key, const YAML::Node& at,
                               const YAML::Node& value, ClusterAccess& access) {
  if (key == "mode") {
    const auto mode = ParseSourceMode(Text(key, value));
    if (!mode) Problem(at, "mode: allowed: auto, faults, events, poll");
    access.mode = mode.value_or(SourceMode::kAuto);
  } else if (key == "transport") {
    const auto transport = ParseTransport(Text(key, value));
    if (!transport) Problem(at, "transport: allowed: auto, streamable-http, sse");
    access.transport = transport.value_or(Transport::kAuto);
  } else if (key == "token_file") {
    access.token_file = Text(key, value);
    const auto wrong =
        access.token_file.empty() ? std::nullopt : WrongWithTokenFile(access.token_file);
    if (wrong) Problem(at, "token_file: " + *wrong);
  } else if (key == "ca_file") {
    access.tls.ca = File(key, value);
  } else if (key == "client_cert_file") {
    access.tls.certificate = File(key, value);
  } else if (key == "client_key_file") {
    access.tls.key = File(key, value);
  } else if (key == "headers") {
    access.headers = Headers(value);
  } else {
    return false;
  }
  return true;
}

bool ClusterReader::ReadFilter(const std::string& key, const YAML::Node& at,
                               const YAML::Node& value, FilterRules& filter) {
  if (key == "triage") {
    const auto triage = ParseBool(Text(key, value));
    if (!triage) Problem(at, "triage: allowed: true, false");
    filter.triage = triage.value_or(true);
  } else if (key == "severity_threshold") {
    const auto severity = ParseSeverity(Text(key, value));
    if (!severity) {
      Problem(at, "severity_threshold: allowed: debug, info, warning, error, critical");
    }
    filter.severity_threshold = severity.value_or(Severity::kWarning);
  } else if (key == "namespaces") {
    filter.namespaces = Rules(key, value);
  } else if (key == "kinds") {
    filter.kinds = Rules(key, value);
  } else if (key == "fault_types") {
    filter.fault_types = Rules(key, value);
  } else {
    return false;
  }
  return true;
}

HttpHeaders ClusterReader::Headers(const YAML::Node& block) {
  HttpHeaders headers;
  if (!block.IsMap() || block.size() > kMaxHeaders) {
    Problem(block, "headers: allowed: {Name: value, ...}, at most 32");
    return headers;
  }
  std::size_t bytes = 0;
  for (const auto& entry : block) {
    if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
      Problem(entry.first, "headers: allowed: {Name: value, ...}");
      continue;
    }
    const std::string& name = entry.first.Scalar();
    const std::string& value = entry.second.Scalar();
    bytes += name.size() + value.size();
    if (bytes > kMaxHeaderBytes || header_bytes_ + bytes > kMaxHeaderBytesOfAll) {
      Problem(block, "headers: more than 8 KiB, or 32 MiB of all clusters");
      break;
    }
    if (const auto wrong = WrongWithHeader(name, value)) Problem(entry.first, "headers: " + *wrong);
    if (std::any_of(headers.begin(), headers.end(),
                    [&](const auto& header) { return SameHeader(header.first, name); })) {
      Problem(entry.first, "headers: " + QuoteValue(name) + " stands twice");
    }
    headers.emplace_back(name, value);
  }
  header_bytes_ += bytes;
  return headers;
}

std::string ClusterReader::File(const std::string& key, const YAML::Node& value) {
  std::string file = Text(key, value);
  if (const auto wrong = WrongWithFile(file)) Problem(value, key + ": " + *wrong);
  return file;
}

NameRules ClusterReader::Rules(const std::string& name, const YAML::Node& block) {
  NameRules rules;
  if (!block.IsMap()) {
    Problem(block, name + ": allowed: {allow: [...], deny: [...]}");
    return rules;
  }
  std::set<std::string> seen;
  for (const auto& entry : block) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!seen.insert(key).second) Problem(entry.first, QuoteValue(key) + " stands twice");
    if (key == "allow") {
      rules.allow = Patterns(name + ".allow", entry.second);
    } else if (key == "deny") {
      rules.deny = Patterns(name + ".deny", entry.second);
    } else {
      Unknown(key, entry.first, {"allow", "deny"});
    }
  }
  return rules;
}

std::vector<std::string> ClusterReader::Patterns(const std::string& name, const YAML::Node& list) {
  std::vector<std::string> patterns;
  if (!list.IsSequence()) {
    Problem(list, name + ": allowed: a list of patterns");
    return patterns;
  }
  patterns_ += list.size();
  if (patterns_ > kMaxPatterns) {
    Problem(list, name + ": more than 200000 patterns in all");
    return patterns;
  }
  for (const YAML::Node& pattern : list) patterns.push_back(Text(name, pattern));
  return patterns;
}

std::string ClusterReader::Text(const std::string& name, const YAML::Node& value) {
  if (value.IsScalar() && value.Scalar().size() <= kMaxText) return value.Scalar();
  Problem(value, name + ": allowed: one value of at most 2048 characters");
  return {};
}

void ClusterReader::Unknown(const std::string& key, const YAML::Node& at,
                            const std::vector<std::string>& known) {
  const auto nearest = NearestWord(key, known);
  Problem(at,
          QuoteValue(key) + ": unknown key" + (nearest ? "; did you mean " + *nearest + "?" : ""));
}

void ClusterReader::Problem(const YAML::Node& at, const std::string& what) {
  problems_.push_back(PlaceOf(path_, at) + ": clusters: " + what);
}

}  // namespace runner::ingest
