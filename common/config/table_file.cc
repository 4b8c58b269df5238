// The configuration file as one more source of values for the options of a table.

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/values.h"
#include "common/config/config_file.h"
#include "common/config/option_table.h"

namespace runner {

ConfigTable& ConfigTable::File(std::string section, std::vector<std::string> others) {
  file_section_ = std::move(section);
  other_keys_ = std::move(others);
  return Path({.flag = kConfigFlag,
               .env = {"CONFIG_FILE"},
               .help = "YAML file with these options, dashes written as underscores"},
              &file_path_);
}

ConfigTable& ConfigTable::Block(std::string key, ReadBlock read, ShowBlock show) {
  blocks_.push_back({std::move(key), std::move(read), std::move(show)});
  return *this;
}

ConfigFile ConfigTable::ReadFile(std::vector<std::string>& problems) const {
  if (file_path_.empty()) return {};
  std::vector<std::string> blocks = {"ingest", "executor"};
  std::erase(blocks, file_section_);
  for (const FileBlock& block : blocks_) blocks.push_back(block.key);
  // What the other program alone takes is none of our business, whatever it looks like.
  const std::vector<std::string> own = FileKeys();
  std::copy_if(
      other_keys_.begin(), other_keys_.end(), std::back_inserter(blocks),
      [&](const auto& key) { return std::find(own.begin(), own.end(), key) == own.end(); });
  ConfigFile file = ConfigFile::Read(file_path_, file_section_, blocks, problems);
  CheckKeys(file, problems);
  return file;
}

void ConfigTable::CheckKeys(const ConfigFile& file, std::vector<std::string>& problems) const {
  std::vector<std::string> known = FileKeys();
  const auto is_ours = [&](const std::string& key) {
    return std::find(known.begin(), known.end(), key) != known.end();
  };
  for (const ConfigFile::Values* values : {&file.top(), &file.section()}) {
    for (const auto& [key, value] : *values) {
      const std::string place = value.place + ": " + key;
      const Row* row = Find(FlagOf(key));
      if (row != nullptr && value.is_list && !row->clear) {
        problems.push_back(place + ": is a list; expected one value");
      }
      if (is_ours(key)) continue;
      std::vector<std::string> candidates = known;
      candidates.insert(candidates.end(), {"ingest", "executor"});
      const auto nearest = NearestWord(key, candidates);
      problems.push_back(value.place + ": " + QuoteValue(key) + ": unknown key; " +
                         (nearest ? "did you mean " + *nearest + "?" : "see --help"));
    }
  }
}

std::vector<std::string> ConfigTable::FileKeys() const {
  std::vector<std::string> keys;
  for (const Row& row : rows_) {
    if (row.spec.flag != kConfigFlag) keys.push_back(KeyOf(row.spec.flag));
  }
  for (const FileBlock& block : blocks_) keys.push_back(block.key);
  return keys;
}

}  // namespace runner
