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

// The top level of a YAML configuration file: keys with a value, a list of values, or a block that
// its owner reads. Only the form is checked here, not keys and values. Immutable once it is read.
class ConfigFile {
 public:
  // Larger files are rejected.
  static constexpr std::uintmax_t kMaxBytes = std::uintmax_t{32} << 20;

  struct Value {
    std::string place;  // "FILE:LINE"
    std::vector<std::string> values;
    bool is_list = false;
  };
  using Values = std::map<std::string, Value>;

  // Reads the top level and the block `section`, which has precedence. Blocks named in `blocks` are
  // kept as they are; any other block is a problem. Problems begin with FILE:LINE.
  static ConfigFile Read(const std::string& path, const std::string& section,
                         const std::vector<std::string>& blocks,
                         std::vector<std::string>& problems);

  // False if the file could not be read as a YAML mapping; a problem says why.
  bool usable() const { return usable_; }
  // Null if the file does not set the key.
  const Value* Find(const std::string& key) const;
  const Values& top() const { return top_; }
  const Values& section() const { return section_; }
  // Null if the file does not have the block. Owned by this.
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
