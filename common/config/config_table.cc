#include "common/config/config_table.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include <sysexits.h>
#include <yaml-cpp/yaml.h>

#include "common/base/utf8.h"
#include "common/base/values.h"
#include "common/config/config_file.h"
#include "common/observability/build_info.h"
#include "common/observability/log_queue.h"

namespace runner {
namespace {

constexpr const char* kMask = "***";

// The name in NAME=VALUE is not secret, nor is the name of a variable that is set. Anything else
// may be a part of a value: the environment splits a list at its commas.
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

// A line that a shell splits into these words.
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

std::string MarkdownCell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*') cell += '\\';
    cell += c;
  }
  return cell;
}

// Writes the values, or the last one if the option is no list.
void Assign(const Option& option, const std::string& name, const std::vector<std::string>& values,
            std::vector<std::string>& problems) {
  if (option.is_list()) option.clear();
  for (std::size_t i = option.is_list() ? 0 : values.size() - 1; i < values.size(); ++i) {
    const std::string value(option.is_list() ? values[i] : TrimBlank(values[i]));
    if (option.assign(value)) continue;
    problems.push_back(name + ": invalid value " +
                       (option.spec.secret ? kMask : QuoteValue(value)) + "; expected " +
                       option.allowed);
  }
}

}  // namespace

EnvironmentLookup ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::optional<int> ParseResult::Report(std::string_view program) const {
  if (kind == kOk) return std::nullopt;
  std::fputs(text.c_str(), stdout);
  if (problems.empty()) return exit_code;
  std::string list = std::string(program) + ": invalid configuration";
  for (const std::string& problem : problems) list += "\n  " + problem;
  WriteToStderr(list);
  return exit_code;
}

ConfigTable::ConfigTable(std::string program, std::string summary)
    : syntax_{.program = std::move(program), .summary = std::move(summary)} {}

ConfigTable& ConfigTable::Add(Option option) {
  if (Find(option.spec.flag) != nullptr) {
    throw std::logic_error("option added twice: " + option.spec.flag);
  }
  options_.push_back(std::move(option));
  return *this;
}

ConfigTable& ConfigTable::TrailingCommand(std::string name, std::string flag,
                                          std::vector<std::string>* into) {
  syntax_.trailing_name = std::move(name);
  trailing_flag_ = std::move(flag);
  trailing_ = into;
  return *this;
}

ConfigTable& ConfigTable::File(Program program) {
  own_ = program;
  return Add(PathOption(SpecOf(kConfigFlag), &file_path_));
}

ConfigTable& ConfigTable::Block(std::string key, ReadBlock read, ShowBlock show) {
  blocks_.push_back({std::move(key), std::move(read), std::move(show)});
  return *this;
}

ConfigTable& ConfigTable::Check(std::vector<std::string> flags_read,
                                std::function<std::optional<std::string>()> check) {
  checks_.push_back({std::move(flags_read), std::move(check)});
  return *this;
}

const Option* ConfigTable::Find(std::string_view flag) const {
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option& option) { return option.spec.flag == flag; });
  return found == options_.end() ? nullptr : &*found;
}

ParseResult ConfigTable::Parse(int argc, const char* const* argv,
                               const EnvironmentLookup& environment) {
  std::vector<std::string> problems;
  const CommandLine line = ParseCommandLine(syntax_, options_, argc, argv, problems);
  if (line.help) return {ParseResult::kExit, EX_OK, Help(), {}};
  if (line.version) {
    const BuildInfo build = GetBuildInfo();
    std::string text =
        syntax_.program + ' ' + build.version + " (" + build.git_commit + ", " + build.build_date;
    return {ParseResult::kExit, EX_OK, text + ")\n", {}};
  }

  const Level from_flag = [&](const Option& option) -> std::optional<Given> {
    const auto found = line.values.find(option.spec.flag);
    if (found == line.values.end()) return std::nullopt;
    return Given{option.spec.flag, found->second};
  };
  const Level from_environment = [&](const Option& option) -> std::optional<Given> {
    for (const std::string& name : option.spec.env) {
      const auto value = environment(name);
      if (!value || TrimBlank(*value).empty()) continue;
      if (!option.is_list()) return Given{name, {*value}};
      return Given{name, SplitList(*value)};
    }
    return std::nullopt;
  };
  const auto resolve = [&](Option& option, const std::vector<Level>& levels) {
    const std::size_t before = problems.size();
    const std::string& default_text = option.spec.default_text;
    std::optional<Given> given;
    for (const Level& level : levels) {
      if ((given = level(option))) break;
    }
    if (given) {
      Assign(option, given->name, given->values, problems);
    } else if (!default_text.empty()) {
      Assign(option, option.spec.flag,
             option.is_list() ? SplitList(default_text) : std::vector{default_text}, problems);
      if (problems.size() != before) {
        throw std::logic_error("default not allowed: " + option.spec.flag);
      }
    }
    option.valid = problems.size() == before;
  };

  for (Option& option : options_) {
    if (option.spec.flag == kConfigFlag) resolve(option, {from_flag, from_environment});
  }
  file_identity_ = IdentityOf(file_path_);  // before it is read, so that a later change is noticed
  const ConfigFile file = ReadFile(problems);
  const Level from_file = [&](const Option& option) -> std::optional<Given> {
    const std::string key = KeyOf(option.spec.flag);
    const ConfigFile::Value* value = file.Find(key);
    if (value == nullptr || value->values.empty()) return std::nullopt;
    if (value->is_list && !option.is_list()) return std::nullopt;  // reported by CheckKeys
    return Given{value->place + ": " + key, value->values};
  };
  for (Option& option : options_) {
    if (option.spec.flag == kConfigFlag) continue;
    const bool is_trailing = line.trailing && option.spec.flag == trailing_flag_;
    resolve(option, is_trailing ? std::vector<Level>()
                                : std::vector{from_flag, from_environment, from_file});
  }
  TakeTrailing(line, problems);
  RunChecks(file, problems);
  if (!problems.empty()) return {ParseResult::kExit, EX_CONFIG, {}, std::move(problems)};
  if (line.print_config) return {ParseResult::kExit, EX_OK, Yaml(), {}};
  if (line.check_config) {
    return {ParseResult::kExit, EX_OK, syntax_.program + ": the configuration is valid\n", {}};
  }
  return {};
}

ConfigFile ConfigTable::ReadFile(std::vector<std::string>& problems) const {
  if (!own_ || file_path_.empty()) return {};
  const Program other = *own_ == Program::kIngest ? Program::kExecutor : Program::kIngest;
  // What only the other program has is ignored, whatever it looks like.
  std::vector<std::string> blocks = KeysOnlyOf(other);
  blocks.emplace_back(SectionOf(other));
  for (const FileBlock& block : blocks_) blocks.push_back(block.key);
  ConfigFile file = ConfigFile::Read(file_path_, std::string(SectionOf(*own_)), blocks, problems);
  CheckKeys(file, problems);
  return file;
}

void ConfigTable::CheckKeys(const ConfigFile& file, std::vector<std::string>& problems) const {
  const std::vector<std::string> own = FileKeys();
  std::vector<std::string> candidates = own;
  for (const Program program : {Program::kIngest, Program::kExecutor}) {
    candidates.emplace_back(SectionOf(program));
  }
  for (const ConfigFile::Values* values : {&file.top(), &file.section()}) {
    for (const auto& [key, value] : *values) {
      const Option* option = Find(FlagOf(key));
      if (option != nullptr && value.is_list && !option->is_list()) {
        problems.push_back(value.place + ": " + key + ": is a list; expected one value");
      }
      if (std::find(own.begin(), own.end(), key) != own.end()) continue;
      const auto nearest = NearestWord(key, candidates);
      problems.push_back(value.place + ": " + QuoteValue(key) + ": unknown key; " +
                         (nearest ? "did you mean " + *nearest + "?" : "see --help"));
    }
  }
}

void ConfigTable::TakeTrailing(const CommandLine& line, std::vector<std::string>& problems) {
  if (!line.trailing) return;
  if (trailing_ == nullptr) {
    problems.push_back("--: " + syntax_.program + " accepts no command; expected options only");
    return;
  }
  if (line.values.contains(trailing_flag_)) {
    problems.push_back(trailing_flag_ + ": set together with -- " + syntax_.trailing_name +
                       "...; expected one of them");
  }
  *trailing_ = *line.trailing;  // in any case: one mistake, one problem
}

void ConfigTable::RunChecks(const ConfigFile& file, std::vector<std::string>& problems) {
  for (const FileBlock& block : blocks_) {
    if (const YAML::Node* node = file.Block(block.key)) block.read(file_path_, *node, problems);
  }
  if (!file.usable()) return;  // the checks may miss what the file would have set
  for (const CrossCheck& check : checks_) {
    const bool readable = std::all_of(check.flags_read.begin(), check.flags_read.end(),
                                      [this](const auto& flag) { return Find(flag)->valid; });
    if (!readable) continue;
    if (auto problem = check.problem()) problems.push_back(std::move(*problem));
  }
}

std::vector<std::string> ConfigTable::FileKeys() const {
  std::vector<std::string> keys;
  for (const Option& option : options_) {
    if (option.spec.flag != kConfigFlag) keys.push_back(KeyOf(option.spec.flag));
  }
  for (const FileBlock& block : blocks_) keys.push_back(block.key);
  return keys;
}

LogField::Value ConfigTable::Show(const Option& option) const {
  const bool is_trailing = trailing_ != nullptr && option.spec.flag == trailing_flag_;
  if (is_trailing && !trailing_->empty()) return QuoteWords(*trailing_);
  LogField::Value value = option.show();
  return option.spec.secret ? Mask(std::move(value)) : value;
}

LogFields ConfigTable::Effective() const {
  LogFields fields;
  for (const Option& option : options_) {
    LogField field(KeyOf(option.spec.flag), false);
    field.value = Show(option);
    fields.push_back(std::move(field));
  }
  return fields;
}

std::string ConfigTable::Yaml() const {
  std::string out;
  for (const Option& option : options_) {
    const OptionSpec& spec = option.spec;
    if (spec.flag == kConfigFlag) continue;
    const LogField::Value value = Show(option);
    const std::string key = KeyOf(spec.flag);
    const bool is_found_at_run_time =
        !spec.default_help.empty() && value == LogField::Value(std::string());
    out +=
        is_found_at_run_time ? "# " + key + ": " + spec.default_help : key + ": " + YamlText(value);
    out += '\n';
  }
  for (const FileBlock& block : blocks_) {
    if (block.show) out += block.show();
  }
  return out;
}

std::string ConfigTable::Help() const { return HelpText(syntax_, options_); }

std::string ConfigTable::Markdown() const {
  std::string out = "| option | environment | default | allowed | |\n|---|---|---|---|---|\n";
  for (const Option& option : options_) {
    const OptionSpec& spec = option.spec;
    std::string names;
    for (const std::string& name : spec.env) names += (names.empty() ? "`" : ", `") + name + "`";
    std::string value = MarkdownCell(spec.default_help);
    if (value.empty() && !spec.default_text.empty()) value = "`" + spec.default_text + "`";
    out += "| `" + spec.flag + (option.is_switch() ? "" : ' ' + option.value_name) + "` | " +
           names + " | " + value + " | " + MarkdownCell(option.Range()) + " | " +
           MarkdownCell(spec.help) + " |\n";
  }
  return out;
}

}  // namespace runner
