#include "common/config/config_file.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include <yaml-cpp/yaml.h>

#include "common/base/bounded_file.h"
#include "common/base/values.h"

namespace runner {
namespace {

constexpr std::size_t kMaxKeys = 1'000;  // of one block

std::optional<std::string> ReadText(const std::string& path, std::vector<std::string>& problems) {
  auto read = ReadBoundedFile(path, ConfigFile::kMaxBytes);
  if (auto* file = std::get_if<BoundedFile>(&read)) return std::move(file->text);
  problems.push_back(path + ": cannot be read: " + std::get<std::string>(read) +
                     "; expected a YAML file that this user can read");
  return std::nullopt;
}

// A value or a list of values; nothing if the node is neither.
std::optional<ConfigFile::Value> ReadValue(const std::string& path, const YAML::Node& key,
                                           const YAML::Node& node) {
  ConfigFile::Value value{PlaceOf(path, key), {}, node.IsSequence()};
  if (node.IsScalar()) {
    value.values.push_back(node.Scalar());
    return value;
  }
  if (!node.IsSequence()) return std::nullopt;
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) return std::nullopt;
    value.values.push_back(item.Scalar());
  }
  return value;
}

// Reads the values of a block. `other` is called first for each key and returns true if it has
// handled the key.
template <typename Other>
void ReadBlock(const std::string& path, const YAML::Node& block, ConfigFile::Values& into,
               std::vector<std::string>& problems, Other other) {
  if (block.size() > kMaxKeys) {
    problems.push_back(PlaceOf(path, block) + ": more than 1000 keys; expected at most 1000");
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : block) {
    if (!entry.first.IsScalar()) {
      problems.push_back(PlaceOf(path, entry.first) +
                         ": the key is not a string; expected `key: value`");
      continue;
    }
    const std::string& key = entry.first.Scalar();
    const std::string place = PlaceOf(path, entry.first) + ": ";
    if (!seen.insert(key).second) {
      problems.push_back(place + "duplicate key " + QuoteValue(key) + "; remove one of them");
      continue;
    }
    if (entry.second.IsNull() || other(key, entry.second)) continue;
    if (auto value = ReadValue(path, entry.first, entry.second)) {
      into.emplace(key, *std::move(value));
    } else {
      problems.push_back(place + QuoteValue(key) +
                         " is a mapping; expected a value or a list of values");
    }
  }
}

}  // namespace

std::string PlaceOf(const std::string& path, const YAML::Node& node) {
  return path + ":" + std::to_string(node.Mark().line + 1);
}

ConfigFile ConfigFile::Read(const std::string& path, const std::string& section,
                            const std::vector<std::string>& blocks,
                            std::vector<std::string>& problems) {
  ConfigFile file;
  const std::optional<std::string> text = ReadText(path, problems);
  file.usable_ = false;
  if (!text) return file;
  YAML::Node root;
  try {
    root = YAML::Load(*text);
  } catch (const YAML::Exception& error) {
    problems.push_back(path + ":" + std::to_string(error.mark.line + 1) + ": is not YAML: " +
                       error.msg + "; expected lines of `key: value`, indented with spaces");
    return file;
  }
  file.usable_ = root.IsNull() || root.IsMap();
  if (root.IsNull()) return file;
  if (!root.IsMap()) {
    problems.push_back(path + ":1: not a YAML mapping; expected lines of `key: value`");
    return file;
  }
  ReadBlock(path, root, file.top_, problems, [&](const std::string& key, const YAML::Node& node) {
    if (key == section) {
      if (node.IsMap()) {
        ReadBlock(path, node, file.section_, problems,
                  [](const auto&, const auto&) { return false; });
      } else {
        problems.push_back(PlaceOf(path, node) + ": " + key +
                           ": not a mapping; expected lines of `key: value`, indented");
      }
      return true;
    }
    if (std::find(blocks.begin(), blocks.end(), key) == blocks.end()) return false;
    file.blocks_.emplace(key, std::make_shared<const YAML::Node>(node));
    return true;
  });
  return file;
}

const ConfigFile::Value* ConfigFile::Find(const std::string& key) const {
  for (const Values* values : {&section_, &top_}) {
    if (const auto found = values->find(key); found != values->end()) return &found->second;
  }
  return nullptr;
}

const YAML::Node* ConfigFile::Block(const std::string& key) const {
  const auto found = blocks_.find(key);
  return found == blocks_.end() ? nullptr : found->second.get();
}

}  // namespace runner
