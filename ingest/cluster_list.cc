#include "ingest/cluster_list.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "common/config_file.h"
#include "common/config_values.h"
#include "ingest/cluster_reader.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxClusters = 20'000;

bool IsHttpUrl(std::string_view text) {
  return (text.starts_with("http://") && text.size() > 7) ||
         (text.starts_with("https://") && text.size() > 8);
}

// What may be shown of a URL, however wrong it is.
std::string ShownUrl(std::string_view url) {
  const std::string_view place = url.substr(0, url.find_first_of("?#"));
  return place.find('@') == std::string_view::npos ? QuoteValue(place) : "it";
}

bool HasCredentials(std::string_view url) {
  const auto scheme = url.find("://");
  const std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#")).find('@') != std::string_view::npos;
}

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
  if (!IsHttpUrl(endpoint)) return ShownUrl(endpoint) + " is not a URL of http or https";
  return std::nullopt;
}

std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        const ClusterConfig& defaults,
                                        std::vector<std::string>& problems) {
  std::vector<ClusterConfig> clusters;
  if (!list.IsSequence() || list.size() == 0 || list.size() > kMaxClusters) {
    problems.push_back(PlaceOf(path, list) + ": clusters: allowed: a list of 1 to 20000 items");
    return clusters;
  }
  std::set<std::string> names;
  ClusterReader reader(path, problems);
  for (const YAML::Node& item : list) {
    ClusterConfig cluster = reader.Read(item, defaults);
    if (!cluster.name.empty() && !names.insert(cluster.name).second) {
      problems.push_back(PlaceOf(path, item) + ": clusters: " + QuoteValue(cluster.name) +
                         " stands twice");
    }
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace runner::ingest
