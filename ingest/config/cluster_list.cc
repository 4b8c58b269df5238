#include "ingest/config/cluster_list.h"

#include <algorithm>
#include <set>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "common/base/values.h"
#include "common/config/config_file.h"
#include "ingest/config/cluster_reader.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxClusters = 20'000;

}  // namespace

std::optional<std::string> ValidateName(const std::string& name) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool label =
      !name.empty() && name.size() <= 63 && alnum(name.front()) && alnum(name.back()) &&
      std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '-'; });
  if (label) return std::nullopt;
  // A label of RFC 1123: it becomes a metrics label and part of file names.
  return QuoteValue(name) +
         " is not a DNS label; expected lower-case letters, digits and inner dashes, at most 63";
}

std::vector<ClusterConfig> ReadClusters(const std::string& path, const YAML::Node& list,
                                        const ClusterConfig& defaults,
                                        std::vector<std::string>& problems) {
  std::vector<ClusterConfig> clusters;
  if (!list.IsSequence() || list.size() == 0 || list.size() > kMaxClusters) {
    problems.push_back(PlaceOf(path, list) +
                       ": clusters: not a list; expected 1 to 20000 items with name and endpoint");
    return clusters;
  }
  std::set<std::string> names;
  ClusterReader reader(path, problems);
  for (const YAML::Node& item : list) {
    ClusterConfig cluster = reader.Read(item, defaults);
    if (!cluster.name.empty() && !names.insert(cluster.name).second) {
      problems.push_back(PlaceOf(path, item) + ": clusters: duplicate name " +
                         QuoteValue(cluster.name) + "; expected each name once");
    }
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace runner::ingest
