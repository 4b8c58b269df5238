#include <string_view>

#include "common/config.h"

// What an option table shows of itself: --help, and the values in effect.

namespace runner {

LogFields ConfigTable::Effective() const {
  LogFields fields;
  for (const Row& row : rows_) {
    LogField field(row.key, false);
    field.value = row.show();
    if (row.spec.secret && field.value != LogField::Value(std::string()))
      field.value = std::string("***");
    fields.push_back(std::move(field));
  }
  for (const FileKeySpec& key : file_keys_) {
    fields.emplace_back(key.key, false).value = key.show();
  }
  if (trailing_ != nullptr) fields.emplace_back(trailing_name_, *trailing_);
  return fields;
}

std::string ConfigTable::Help() const {
  constexpr std::string_view kIndent = "      ";
  std::string out = "Usage: " + program_ + " [options]";
  if (trailing_ != nullptr) out += " [-- " + trailing_name_ + "...]";
  out += "\n\n" + summary_ + "\n\nOptions:\n";
  for (const Row& row : rows_) {
    const OptionSpec& spec = row.spec;
    out += "  " + spec.flag + (row.value_name.empty() ? "" : ' ' + row.value_name) + '\n';
    out.append(kIndent).append(spec.help) += '\n';
    std::string notes;
    for (const std::string& name : spec.env) {
      notes += (notes.empty() ? "environment: " : ", ") + name;
    }
    const std::string shown_default =
        !spec.default_help.empty() ? spec.default_help : spec.default_text;
    if (!shown_default.empty())
      notes += (notes.empty() ? "" : "; ") + ("default: " + shown_default);
    if (spec.required) notes += notes.empty() ? "required" : "; required";
    if (!notes.empty()) out.append(kIndent).append("[").append(notes).append("]\n");
  }
  out += "  --version\n      Print the version and exit.\n  --help\n      Print this and exit.\n";
  if (trailing_ != nullptr) {
    out += "  -- " + trailing_name_ + "...\n";
    out.append(kIndent).append(trailing_help_) += '\n';
  }
  if (!file_keys_.empty()) out += "\nIn the file of " + file_flag_ + " only:\n";
  for (const FileKeySpec& key : file_keys_) {
    out += "  " + key.key + ":\n";
    out.append(kIndent).append(key.help) += '\n';
  }
  return out;
}

}  // namespace runner
