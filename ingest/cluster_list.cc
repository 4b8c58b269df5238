#include "ingest/cluster_list.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "common/config_file.h"
#include "common/config_values.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxClusters = 20'000;
// Aliases make a small file say much: what is kept of it is bounded.
constexpr std::size_t kMaxPatterns = 200'000;  // of all clusters
constexpr std::size_t kMaxText = 2'048;

bool IsHttpUrl(std::string_view text) {
  return (text.starts_with("http://") && text.size() > 7) ||
         (text.starts_with("https://") && text.size() > 8);
}

bool HasCredentials(std::string_view url) {
  const auto scheme = url.find("://");
  const std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#")).find('@') != std::string_view::npos;
}

// Reads one item of the list, key by key.
class ItemReader {
 public:
  ItemReader(const std::string& path, std::vector<std::string>& problems)
      : path_(path), problems_(problems) {}

  ClusterConfig Read(const YAML::Node& item, Severity default_threshold) {
    ClusterConfig cluster;
    cluster.filter.severity_threshold = default_threshold;
    if (!item.IsMap()) {
      Problem(item, "allowed: an item with name and endpoint");
      return cluster;
    }
    std::set<std::string> seen;
    for (const auto& entry : item) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (entry.second.IsNull()) continue;  // as good as not there
      if (!seen.insert(key).second) Problem(entry.first, QuoteValue(key) + " stands twice");
      ReadKey(key, entry.first, entry.second, cluster);
    }
    for (const char* required : {"name", "endpoint"}) {
      if (!seen.contains(required)) Problem(item, std::string(required) + " is required");
    }
    return cluster;
  }

 private:
  void ReadKey(const std::string& key, const YAML::Node& at, const YAML::Node& value,
               ClusterConfig& cluster) {
    if (key == "name") {
      cluster.name = Text(key, value);
      if (const auto wrong = WrongWithName(cluster.name)) Problem(at, "name: " + *wrong);
    } else if (key == "endpoint") {
      cluster.endpoint = Text(key, value);
      if (const auto wrong = WrongWithEndpoint(cluster.endpoint)) {
        Problem(at, "endpoint: " + *wrong);
      }
    } else if (key == "triage") {
      const auto triage = ParseBool(Text(key, value));
      if (!triage) Problem(at, "triage: allowed: true, false");
      cluster.filter.triage = triage.value_or(true);
    } else if (key == "severity_threshold") {
      const auto severity = ParseSeverity(Text(key, value));
      if (!severity) {
        Problem(at, "severity_threshold: allowed: debug, info, warning, error, critical");
      }
      cluster.filter.severity_threshold = severity.value_or(Severity::kWarning);
    } else if (key == "namespaces") {
      cluster.filter.namespaces = Rules(key, value);
    } else if (key == "kinds") {
      cluster.filter.kinds = Rules(key, value);
    } else if (key == "fault_types") {
      cluster.filter.fault_types = Rules(key, value);
    } else {
      Unknown(key, at,
              {"name", "endpoint", "triage", "severity_threshold", "namespaces", "kinds",
               "fault_types"});
    }
  }

  NameRules Rules(const std::string& name, const YAML::Node& block) {
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

  std::vector<std::string> Patterns(const std::string& name, const YAML::Node& list) {
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

  std::string Text(const std::string& name, const YAML::Node& value) {
    if (value.IsScalar() && value.Scalar().size() <= kMaxText) return value.Scalar();
    Problem(value, name + ": allowed: one value of at most 2048 characters");
    return {};
  }
  void Unknown(const std::string& key, const YAML::Node& at,
               const std::vector<std::string>& known) {
    const auto nearest = NearestWord(key, known);
    Problem(at, QuoteValue(key) + ": unknown key" +
                    (nearest ? "; did you mean " + *nearest + "?" : ""));
  }
  void Problem(const YAML::Node& at, const std::string& what) {
    problems_.push_back(PlaceOf(path_, at) + ": clusters: " + what);
  }

  const std::string& path_;
  std::vector<std::string>& problems_;
  std::size_t patterns_ = 0;
};

}  // namespace

std::optional<std::string> WrongWithName(const std::string& name) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool label =
      !name.empty() && name.size() <= 63 && alnum(name.front()) && alnum(name.back()) &&
      std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '-'; });
  if (label) return std::nullopt;
  // A label of RFC 1123: it becomes a metrics label and part of file names.
  return QuoteValue(name) +
         " is not a DNS label (lower-case letters, digits, inner dashes, at most 63)";
}

std::optional<std::string> WrongWithEndpoint(const std::string& endpoint) {
  // A password would be shown wherever the endpoint is.
  if (HasCredentials(endpoint)) return "a user name or password in the URL is not taken";
  if (!IsHttpUrl(endpoint)) return QuoteValue(endpoint) + " is not a URL of http or https";
  return std::nullopt;
}

std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        Severity default_threshold,
                                        std::vector<std::string>& problems) {
  std::vector<ClusterConfig> clusters;
  if (!list.IsSequence() || list.size() == 0 || list.size() > kMaxClusters) {
    problems.push_back(PlaceOf(path, list) + ": clusters: allowed: a list of 1 to 20000 items");
    return clusters;
  }
  std::set<std::string> names;
  ItemReader reader(path, problems);
  for (const YAML::Node& item : list) {
    ClusterConfig cluster = reader.Read(item, default_threshold);
    if (!cluster.name.empty() && !names.insert(cluster.name).second) {
      problems.push_back(PlaceOf(path, item) + ": clusters: " + QuoteValue(cluster.name) +
                         " stands twice");
    }
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace runner::ingest
