#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ingest/config/cluster_list.h"

namespace YAML {
class Node;
}

namespace runner::ingest {

// Reads the items of the list of clusters, key by key. What it finds wrong it adds to the problems,
// with the place; what it keeps of all items together is bounded, since aliases make a small file
// say much.
class ClusterReader {
 public:
  // Both outlive the reader.
  ClusterReader(const std::string& path, std::vector<std::string>& problems)
      : path_(path), problems_(problems) {}

  // Name and endpoint are as the item says; all else may be as in `defaults`.
  ClusterConfig Read(const YAML::Node& item, const ClusterConfig& defaults);

 private:
  // Each of these takes the keys of its kind and returns false for all others.
  bool ReadIdentity(const std::string& key, const YAML::Node& at, const YAML::Node& value,
                    ClusterConfig& cluster);
  bool ReadAccess(const std::string& key, const YAML::Node& at, const YAML::Node& value,
                  ClusterAccess& access);
  bool ReadFilter(const std::string& key, const YAML::Node& at, const YAML::Node& value,
                  FilterRules& filter);
  void CheckWhole(const YAML::Node& item, const std::set<std::string>& seen,
                  ClusterConfig& cluster);

  HttpHeaders Headers(const YAML::Node& block);
  // `label`: of the PEM block that it must hold.
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
  std::size_t patterns_ = 0;
  std::size_t header_bytes_ = 0;
  std::map<std::pair<std::string, std::string>, std::optional<std::string>> pem_files_;
};

}  // namespace runner::ingest
