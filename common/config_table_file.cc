#include <algorithm>
#include <set>
#include <stdexcept>

#include "common/config.h"
#include "common/utf8.h"

// How an option table reads its options from a configuration file.

namespace runner {

ConfigTable& ConfigTable::File(OptionSpec spec, ConfigFileLayout layout, std::string* into) {
  if (!file_flag_.empty()) throw std::logic_error("two options name a configuration file");
  file_flag_ = spec.flag;
  file_layout_ = std::move(layout);
  return Path(std::move(spec), into);
}

ConfigTable& ConfigTable::FileKey(FileKeySpec spec) {
  file_keys_.push_back(std::move(spec));
  return *this;
}

ConfigTable::ConfigFile ConfigTable::ReadFile(const std::vector<Level>& levels,
                                              std::vector<std::string>& problems) {
  ConfigFile file;
  const auto row = std::find_if(rows_.begin(), rows_.end(),
                                [this](const Row& each) { return each.spec.flag == file_flag_; });
  if (row == rows_.end()) return file;
  Resolve(*row, levels, problems);
  if (!row->given) return file;
  const std::string path = std::get<std::string>(row->show());
  if (path.empty()) return file;
  file.path = EscapeForTerminal(path);
  const FileProblems place(file.path, &problems);
  file.root = ReadConfigFile(path, place);
  file.readable = file.root != nullptr;
  row->sound = file.readable;
  if (file.readable) IndexFile(file, place);
  return file;
}

void ConfigTable::IndexFile(ConfigFile& file, const FileProblems& problems) const {
  std::vector<std::string> own;
  for (const Row& row : rows_) {
    if (row.spec.flag != file_flag_) own.push_back(row.key);
  }
  for (const FileKeySpec& key : file_keys_) own.push_back(key.key);
  const std::set<std::string> is_own(own.begin(), own.end());
  const std::set<std::string> is_foreign(file_layout_.foreign.begin(), file_layout_.foreign.end());
  std::vector<std::string> known = own;
  known.insert(known.end(), is_foreign.begin(), is_foreign.end());
  if (!file_layout_.section.empty()) known.push_back(file_layout_.section);

  // The section is read first, and the first entry of a key is the one that counts.
  for (const FileValue::Entry& section : file.root->entries) {
    if (section.key != file_layout_.section) continue;
    // Nothing is left of a section whose lines are all commented out.
    if (section.value->kind == FileValue::Kind::kNothing) continue;
    if (const auto problem = WrongKind(*section.value, FileValue::Kind::kMap)) {
      problems.Add(section.line, section.key + ": " + *problem);
    }
    for (const FileValue::Entry& entry : section.value->entries) {
      if (is_own.contains(entry.key)) {
        file.entries.emplace(entry.key, &entry);
      } else {
        problems.Add(entry.line, UnknownKey(entry.key, own));
      }
    }
  }
  for (const FileValue::Entry& entry : file.root->entries) {
    if (is_own.contains(entry.key)) {
      file.entries.emplace(entry.key, &entry);
    } else if (entry.key != file_layout_.section && !is_foreign.contains(entry.key)) {
      problems.Add(entry.line, UnknownKey(entry.key, known));
    }
  }
}

ConfigTable::Level ConfigTable::FileLevel(const ConfigFile& file) {
  return [&file](const Row& row) -> std::optional<Given> {
    const auto found = file.entries.find(row.key);
    if (found == file.entries.end()) return std::nullopt;
    const auto& [key, line, value] = *found->second;
    Given given{FileProblems(file.path, nullptr).Place(line) + ": " + key, {}};
    if (!row.clear) {
      given.misfit = WrongKind(*value, FileValue::Kind::kText);
      if (!given.misfit) given.values = {value->text};
      return given;
    }
    given.misfit = WrongKind(*value, FileValue::Kind::kList);
    for (const FileValue::Ptr& item : value->items) {
      if (given.misfit) break;
      given.misfit = WrongKind(*item, FileValue::Kind::kText);
      if (given.misfit) given.misfit = "one item of it " + *given.misfit;
      given.values.push_back(item->text);
    }
    return given;
  };
}

}  // namespace runner
