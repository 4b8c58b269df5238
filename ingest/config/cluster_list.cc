#include "ingest/config/cluster_list.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "common/base/values.h"
#include "common/config/config_file.h"
#include "ingest/mcp/transport/endpoint_url.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxClusters = 20'000;
constexpr std::size_t kMaxPatterns = 200'000;                        // of all clusters
constexpr std::size_t kMaxHeaderBytesOfAll = std::size_t{32} << 20;  // of all clusters
constexpr std::size_t kMaxText = 2'048;                              // bytes of one value

// Reads the items of the list, key by key. The patterns and headers of all items together are
// bounded, since YAML aliases let a small file expand to a large list.
class ClusterReader {
 public:
  // Both outlive the reader.
  ClusterReader(const std::string& path, std::vector<std::string>& problems)
      : path_(path), problems_(problems) {}

  // All keys but name and endpoint have defaults.
  ClusterConfig Read(const YAML::Node& item, const ClusterConfig& defaults);

 private:
  // Each of these reads the keys of its kind and returns false for any other key.
  bool ReadIdentity(const std::string& key, const YAML::Node& at, const YAML::Node& value,
                    ClusterConfig& cluster);
  bool ReadAccess(const std::string& key, const YAML::Node& at, const YAML::Node& value,
                  ClusterAccess& access);
  bool ReadFilter(const std::string& key, const YAML::Node& at, const YAML::Node& value,
                  FilterRules& filter);
  // Checks the item as a whole; `seen` are its keys.
  void CheckItem(const YAML::Node& item, const std::set<std::string>& seen, ClusterConfig& cluster);

  HttpHeaders Headers(const YAML::Node& block);
  // `label`: as for ValidatePemFile.
  std::string PemFile(const std::string& key, const YAML::Node& value, const std::string& label);
  NameRules Rules(const std::string& name, const YAML::Node& block);
  std::vector<std::string> Patterns(const std::string& name, const YAML::Node& list);
  std::string Text(const std::string& name, const YAML::Node& value);
  void Unknown(const std::string& key, const YAML::Node& at, const std::vector<std::string>& known);
  void Duplicate(const std::string& key, const YAML::Node& at);
  void Invalid(const std::string& key, const std::string& text, const YAML::Node& at,
               const std::string& expected);
  void Problem(const YAML::Node& at, const std::string& what);

  const std::string& path_;
  std::vector<std::string>& problems_;
  std::size_t patterns_ = 0;      // of all items
  std::size_t header_bytes_ = 0;  // of all items
  // By path and label: thousands of clusters may name one large file.
  std::map<std::pair<std::string, std::string>, std::optional<std::string>> pem_files_;
};

ClusterConfig ClusterReader::Read(const YAML::Node& item, const ClusterConfig& defaults) {
  ClusterConfig cluster = defaults;
  cluster.name.clear();
  cluster.endpoint.clear();
  if (!item.IsMap()) {
    Problem(item, "the item is not a mapping; expected the keys name and endpoint");
    return cluster;
  }
  std::set<std::string> seen;
  for (const auto& entry : item) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (entry.second.IsNull()) continue;  // counts as not set
    if (!seen.insert(key).second) Duplicate(key, entry.first);
    if (!ReadIdentity(key, entry.first, entry.second, cluster) &&
        !ReadAccess(key, entry.first, entry.second, cluster.access) &&
        !ReadFilter(key, entry.first, entry.second, cluster.filter)) {
      Unknown(key, entry.first,
              {"name", "endpoint", "mode", "transport", "token_file", "ca_file", "client_cert_file",
               "client_key_file", "headers", "subscribe_tool", "events_tool", "triage",
               "severity_threshold", "namespaces", "kinds", "fault_types"});
    }
  }
  CheckItem(item, seen, cluster);
  return cluster;
}

void ClusterReader::CheckItem(const YAML::Node& item, const std::set<std::string>& seen,
                              ClusterConfig& cluster) {
  for (const char* required : {"name", "endpoint"}) {
    if (!seen.contains(required))
      Problem(item, std::string(required) + " is required and not set; add it to this item");
  }
  if (!seen.contains("token_file") && HasAuthorization(cluster.access.headers)) {
    cluster.access.token_file.clear();
  }
  for (const std::string& problem : ValidateAccess(cluster.endpoint, cluster.access)) {
    Problem(item, problem);
  }
}

bool ClusterReader::ReadIdentity(const std::string& key, const YAML::Node& at,
                                 const YAML::Node& value, ClusterConfig& cluster) {
  if (key == "name") {
    cluster.name = Text(key, value);
    if (const auto wrong = ValidateName(cluster.name)) Problem(at, "name: " + *wrong);
  } else if (key == "endpoint") {
    cluster.endpoint = Text(key, value);
    if (const auto wrong = ValidateEndpoint(cluster.endpoint)) {
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
    const std::string text = Text(key, value);
    const auto mode = ParseWord(SourceModeWords(), text);
    if (!mode) Invalid(key, text, at, OneOf(SourceModeWords()));
    access.mode = mode.value_or(SourceMode::kAuto);
  } else if (key == "transport") {
    const std::string text = Text(key, value);
    const auto transport = ParseWord(TransportWords(), text);
    if (!transport) Invalid(key, text, at, OneOf(TransportWords()));
    access.transport = transport.value_or(Transport::kAuto);
  } else if (key == "token_file") {
    access.token_file = Text(key, value);
    const auto wrong =
        access.token_file.empty() ? std::nullopt : ValidateTokenFile(access.token_file);
    if (wrong) Problem(at, "token_file: " + *wrong);
  } else if (key == "ca_file") {
    access.tls.ca = PemFile(key, value, "CERTIFICATE");
  } else if (key == "client_cert_file") {
    access.tls.certificate = PemFile(key, value, "CERTIFICATE");
  } else if (key == "client_key_file") {
    access.tls.key = PemFile(key, value, "PRIVATE KEY");
  } else if (key == "headers") {
    access.headers = Headers(value);
  } else if (key == "subscribe_tool") {
    access.subscribe_tool = Text(key, value);
  } else if (key == "events_tool") {
    access.events_tool = Text(key, value);
  } else {
    return false;
  }
  return true;
}

bool ClusterReader::ReadFilter(const std::string& key, const YAML::Node& at,
                               const YAML::Node& value, FilterRules& filter) {
  if (key == "triage") {
    const std::string text = Text(key, value);
    const auto triage = ParseBool(text);
    if (!triage) Invalid(key, text, at, "true or false");
    filter.triage = triage.value_or(true);
  } else if (key == "severity_threshold") {
    const std::string text = Text(key, value);
    const auto severity = ParseSeverity(text);
    if (!severity) Invalid(key, text, at, OneOf(SeverityWords()));
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
    Problem(block, "headers: not a mapping of at most 32 entries; expected {Name: value, ...}");
    return headers;
  }
  std::size_t bytes = 0;
  for (const auto& entry : block) {
    if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
      Problem(entry.first, "headers: a name or value is not a string; expected {Name: value, ...}");
      continue;
    }
    const std::string& name = entry.first.Scalar();
    const std::string value(TrimBlank(entry.second.Scalar()));
    bytes += name.size() + value.size();
    if (bytes > kMaxHeaderBytes || header_bytes_ + bytes > kMaxHeaderBytesOfAll) {
      Problem(
          block,
          "headers: too large; expected at most 8 KiB for one cluster and 32 MiB for all clusters");
      break;
    }
    if (const auto wrong = ValidateHeader(name, value)) Problem(entry.first, "headers: " + *wrong);
    if (std::any_of(headers.begin(), headers.end(),
                    [&](const auto& header) { return IsSameHeader(header.first, name); })) {
      Duplicate(name, entry.first);
    }
    headers.emplace_back(name, value);
  }
  header_bytes_ += bytes;
  return headers;
}

std::string ClusterReader::PemFile(const std::string& key, const YAML::Node& value,
                                   const std::string& label) {
  std::string file = Text(key, value);
  const auto [known, first] = pem_files_.try_emplace({file, label});
  if (first) known->second = ValidatePemFile(file, label);
  if (known->second) Problem(value, key + ": " + *known->second);
  return file;
}

NameRules ClusterReader::Rules(const std::string& name, const YAML::Node& block) {
  NameRules rules;
  if (!block.IsMap()) {
    Problem(block, name + ": not a mapping; expected {allow: [...], deny: [...]}");
    return rules;
  }
  std::set<std::string> seen;
  for (const auto& entry : block) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!seen.insert(key).second) Duplicate(key, entry.first);
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
    Problem(list, name + ": not a list; expected patterns such as [\"shop-*\"]");
    return patterns;
  }
  patterns_ += list.size();
  if (patterns_ > kMaxPatterns) {
    Problem(list, name + ": too many patterns; expected at most 200000 for all clusters");
    return patterns;
  }
  for (const YAML::Node& pattern : list) patterns.push_back(Text(name, pattern));
  return patterns;
}

std::string ClusterReader::Text(const std::string& name, const YAML::Node& value) {
  if (value.IsScalar() && value.Scalar().size() <= kMaxText) {
    return std::string(TrimBlank(value.Scalar()));
  }
  Problem(value,
          name + ": not a single value, or too long; expected one value of at most 2048 bytes");
  return {};
}

void ClusterReader::Unknown(const std::string& key, const YAML::Node& at,
                            const std::vector<std::string>& known) {
  const auto nearest = NearestWord(key, known);
  Problem(at, QuoteValue(key) + ": unknown key; " +
                  (nearest ? "did you mean " + *nearest + "?" : "see docs/servers.md"));
}

void ClusterReader::Duplicate(const std::string& key, const YAML::Node& at) {
  Problem(at, "duplicate key " + QuoteValue(key) + "; remove one of them");
}

void ClusterReader::Invalid(const std::string& key, const std::string& text, const YAML::Node& at,
                            const std::string& expected) {
  Problem(at, key + ": invalid value " + QuoteValue(text) + "; expected " + expected);
}

void ClusterReader::Problem(const YAML::Node& at, const std::string& what) {
  problems_.push_back(PlaceOf(path_, at) + ": clusters: " + what);
}

}  // namespace

std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        const ClusterConfig& defaults,
                                        std::vector<std::string>& problems) {
  std::vector<ClusterConfig> clusters;
  if (!list.IsSequence() || list.size() == 0 || list.size() > kMaxClusters) {
    problems.push_back(
        PlaceOf(path, list) +
        ": clusters: not a list of 1 to 20000 items; expected items with name and endpoint");
    return clusters;
  }
  std::set<std::string> names;
  ClusterReader reader(path, problems);
  for (const YAML::Node& item : list) {
    ClusterConfig cluster = reader.Read(item, defaults);
    if (!cluster.name.empty() && !names.insert(cluster.name).second) {
      problems.push_back(PlaceOf(path, item) + ": clusters: duplicate name " +
                         QuoteValue(cluster.name) + "; expected unique names");
    }
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace runner::ingest
