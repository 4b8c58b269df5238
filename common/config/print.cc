// A table as people read it: the effective configuration, --help, the documentation.

#include <algorithm>
#include <cstdlib>
#include <type_traits>
#include <utility>
#include <variant>

#include <yaml-cpp/yaml.h>

#include "common/base/values.h"
#include "common/config/option_table.h"

namespace runner {
namespace {

constexpr const char* kMask = "***";

// Of NAME=VALUE the name is no secret, nor is that of a variable that there is. Anything else may
// be a part of a value: the environment splits a list at its commas.
std::string MaskItem(const std::string& item) {
  const std::size_t equals = item.find('=');
  if (equals != std::string::npos) return item.substr(0, equals) + "=" + kMask;
  return std::getenv(item.c_str()) != nullptr ? item : kMask;
}

LogField::Value Mask(LogField::Value value) {
  if (auto* items = std::get_if<std::vector<std::string>>(&value)) {
    std::transform(items->begin(), items->end(), items->begin(), MaskItem);
    return value;
  }
  return value == LogField::Value(std::string()) ? value : std::string(kMask);
}

// What a shell reads as these words.
std::string QuoteWords(const std::vector<std::string>& words) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

std::string YamlText(const LogField::Value& value) {
  YAML::Emitter out;
  std::visit(
      [&out](const auto& one) {
        using Type = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Type, double>) {
          out << FormatDuration(std::chrono::round<Duration>(std::chrono::duration<double>(one)));
        } else if constexpr (std::is_same_v<Type, std::vector<std::string>>) {
          out << YAML::Flow << one;
        } else {
          out << one;
        }
      },
      value);
  return out.c_str();
}

// A cell of a Markdown table.
std::string Cell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*') cell += '\\';
    cell += c;
  }
  return cell;
}

// What is allowed, without the examples.
std::string Range(const std::string& allowed) {
  return allowed.substr(0, allowed.find(" such as"));
}

const std::string& ShownDefault(const OptionSpec& spec) {
  return spec.default_help.empty() ? spec.default_text : spec.default_help;
}

}  // namespace

LogField::Value ConfigTable::Show(const Row& row) const {
  const bool after_dashes = trailing_ != nullptr && row.spec.flag == trailing_flag_;
  if (after_dashes && !trailing_->empty()) return QuoteWords(*trailing_);
  LogField::Value value = row.show();
  return row.spec.secret ? Mask(std::move(value)) : value;
}

LogFields ConfigTable::Effective() const {
  LogFields fields;
  for (const Row& row : rows_) {
    LogField field(KeyOf(row.spec.flag), false);
    field.value = Show(row);
    fields.push_back(std::move(field));
  }
  return fields;
}

std::string ConfigTable::Yaml() const {
  std::string out;
  for (const Row& row : rows_) {
    if (row.spec.flag == kConfigFlag) continue;
    const LogField::Value value = Show(row);
    const std::string key = KeyOf(row.spec.flag);
    const bool found_at_run_time =
        !row.spec.default_help.empty() && value == LogField::Value(std::string());
    out += found_at_run_time ? "# " + key + ": " + row.spec.default_help
                             : key + ": " + YamlText(value);
    out += '\n';
  }
  for (const FileBlock& block : blocks_) {
    if (block.show) out += block.show();
  }
  return out;
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
    const std::string& shown_default = ShownDefault(spec);
    if (!shown_default.empty())
      notes += (notes.empty() ? "" : "; ") + ("default: " + shown_default);
    if (spec.required) notes += notes.empty() ? "required" : "; required";
    if (!notes.empty()) out.append(kIndent).append("[").append(notes).append("]\n");
  }
  if (trailing_ != nullptr) {
    out += "  -- " + trailing_name_ + "...\n";
    out.append(kIndent).append(trailing_help_) += '\n';
  }
  return out +
         "  --check-config\n      Check the configuration, say what is wrong with it, and exit.\n"
         "  --print-config\n      Print the effective configuration as YAML, secrets masked, and "
         "exit.\n"
         "  --version\n      Print the version and exit.\n  --help\n      Print this and exit.\n";
}

std::string ConfigTable::Markdown() const {
  std::string out = "| option | environment | default | allowed | |\n|---|---|---|---|---|\n";
  for (const Row& row : rows_) {
    const OptionSpec& spec = row.spec;
    std::string names;
    for (const std::string& name : spec.env) names += (names.empty() ? "`" : ", `") + name + "`";
    std::string value = Cell(spec.default_help);
    if (value.empty() && !spec.default_text.empty()) value = "`" + spec.default_text + "`";
    if (spec.required) value = "required";
    out += "| `" + spec.flag + (row.value_name.empty() ? "" : ' ' + row.value_name) + "` | " +
           names + " | " + value + " | " + Cell(Range(row.allowed)) + " | " + Cell(spec.help) +
           " |\n";
  }
  return out;
}

}  // namespace runner
