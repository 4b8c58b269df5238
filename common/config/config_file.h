#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace YAML {
class Node;
}

namespace runner {

// The top of a configuration file: YAML, keys with values, lists of values, or blocks that somebody
// else reads. Nothing of it is checked here but its form.
class ConfigFile {
 public:
  // Larger files are refused.
  static constexpr std::uintmax_t kMaxBytes = std::uintmax_t{32} << 20;

  struct Value {
    std::string place;  // "FILE:LINE"
    std::vector<std::string> values;
    bool is_list = false;
  };
  using Values = std::map<std::string, Value>;

  // What stands at the top level, and what stands in the block called `section`, which goes first.
  // A block called one of `blocks` is kept as it is; every other block is a problem. Problems name
  // the file and the line.
  static ConfigFile Read(const std::string& path, const std::string& section,
                         const std::vector<std::string>& blocks,
                         std::vector<std::string>& problems);

  // False: there not a YAML mapping to be had from it, as a problem says.
  bool usable() const { return usable_; }
  // By key; null when the file says nothing.
  const Value* Find(const std::string& key) const;
  const Values& top() const { return top_; }
  const Values& section() const { return section_; }
  // Null when there is none.
  const YAML::Node* Block(const std::string& key) const;

 private:
  bool usable_ = true;
  Values top_;
  Values section_;
  std::map<std::string, std::shared_ptr<const YAML::Node>> blocks_;
};

// "FILE:LINE" of a node, for problems.
std::string PlaceOf(const std::string& path, const YAML::Node& node);

}  // namespace runner
