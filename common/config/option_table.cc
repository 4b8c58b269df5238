#include "common/config/option_table.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include <sysexits.h>

#include "common/base/utf8.h"
#include "common/base/values.h"
#include "common/config/config_file.h"
#include "common/observability/build_info.h"
#include "common/observability/log_queue.h"

namespace runner {
namespace {

std::string Describe(const std::string& value, bool secret) {
  return secret ? "***" : QuoteValue(value);
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

struct ConfigTable::CommandLine {
  std::map<std::string, std::vector<std::string>> values;  // by flag
  std::optional<std::vector<std::string>> trailing;        // there was a `--`
  bool help = false;
  bool version = false;
  bool check = false;
  bool print = false;
};

ConfigTable::ConfigTable(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

ConfigTable& ConfigTable::TrailingCommand(std::string name, std::string help, std::string flag,
                                          std::vector<std::string>* into) {
  trailing_name_ = std::move(name);
  trailing_help_ = std::move(help);
  trailing_flag_ = std::move(flag);
  trailing_ = into;
  return *this;
}

ConfigTable& ConfigTable::Check(std::vector<std::string> flags_read,
                                std::function<std::optional<std::string>()> check) {
  checks_.push_back({std::move(flags_read), std::move(check)});
  return *this;
}

ConfigTable& ConfigTable::Declare(Row row) {
  if (Find(row.spec.flag) != nullptr) throw std::logic_error("declared twice: " + row.spec.flag);
  rows_.push_back(std::move(row));
  return *this;
}

const ConfigTable::Row* ConfigTable::Find(std::string_view flag) const {
  const auto found = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const Row& row) { return row.spec.flag == flag; });
  return found == rows_.end() ? nullptr : &*found;
}

std::string ConfigTable::UnknownArgument(const std::string& argument) const {
  const std::string shown = Describe(argument, false);
  if (!argument.starts_with('-')) {
    return shown +
           ": unexpected argument; expected --option=value, --option value or --switch=false";
  }
  std::vector<std::string> flags = {"--help", "--version", "--check-config", "--print-config"};
  for (const Row& row : rows_) flags.push_back(row.spec.flag);
  const auto nearest = NearestWord(argument, flags);
  const std::string suggestion = nearest ? "did you mean " + *nearest + "?" : "see --help";
  return shown + ": unknown option; " + suggestion;
}

ConfigTable::CommandLine ConfigTable::ReadCommandLine(int argc, const char* const* argv,
                                                      std::vector<std::string>& problems) const {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--") {
      line.trailing.emplace(argv + i + 1, argv + argc);
      break;
    }
    const std::size_t equals = argument.find('=');
    const std::string flag = argument.substr(0, equals);
    const bool has_next = i + 1 < argc && std::string_view(argv[i + 1]) != "--";
    if (argument == "--help" || argument == "-h") {
      line.help = true;
    } else if (argument == "--version") {
      line.version = true;
    } else if (argument == "--check-config") {
      line.check = true;
    } else if (argument == "--print-config") {
      line.print = true;
    } else if (const Row* row = Find(flag); row == nullptr) {
      problems.push_back(UnknownArgument(flag));
      // A bare word after an unknown option is taken for its value: one mistake, one problem.
      const bool value_follows = equals == std::string::npos && flag.starts_with('-') && has_next;
      if (value_follows && argv[i + 1][0] != '-') ++i;
    } else if (equals != std::string::npos) {
      line.values[flag].push_back(argument.substr(equals + 1));
    } else if (row->value_name.empty()) {
      line.values[flag].push_back("true");
    } else if (has_next) {
      line.values[flag].push_back(argv[++i]);
    } else {
      problems.push_back(flag + ": its value is missing; expected " + flag + ' ' + row->value_name);
    }
  }
  return line;
}

void ConfigTable::Resolve(Row& row, const std::vector<Level>& levels,
                          std::vector<std::string>& problems) {
  for (const Level& level : levels) {
    std::optional<Given> given = level.ask(row);
    if (!given) continue;
    row.source = level.source;
    if (row.clear) row.clear();
    const bool list = static_cast<bool>(row.clear);
    for (std::size_t i = list ? 0 : given->values.size() - 1; i < given->values.size(); ++i) {
      // In a list, white space may be part of a value.
      const std::string value(list ? given->values[i] : TrimBlank(given->values[i]));
      if (row.assign(value)) continue;
      problems.push_back(given->name + ": invalid value " + Describe(value, row.spec.secret) +
                         "; expected " + row.allowed);
    }
    return;
  }
  if (row.spec.required) {
    std::string names = row.spec.flag;
    for (const std::string& name : row.spec.env) names += " or " + name;
    problems.push_back(row.spec.flag + ": is required and not set; set " + names);
  }
  if (row.spec.default_text.empty()) return;
  if (row.clear) row.clear();
  const auto values = row.clear ? SplitList(row.spec.default_text)
                                : std::vector<std::string>{row.spec.default_text};
  for (const std::string& value : values) {
    if (!row.assign(value)) throw std::logic_error("default not allowed: " + row.spec.flag);
  }
}

ParseResult ConfigTable::Parse(int argc, const char* const* argv,
                               const EnvironmentLookup& environment) {
  std::vector<std::string> problems;
  const CommandLine line = ReadCommandLine(argc, argv, problems);
  if (line.help) return {ParseResult::kExit, EX_OK, Help(), {}};
  if (line.version) {
    const BuildInfo build = GetBuildInfo();
    return {
        ParseResult::kExit,
        EX_OK,
        program_ + ' ' + build.version + " (" + build.git_commit + ", " + build.build_date + ")\n",
        {}};
  }

  const Level from_flag{ConfigSource::kFlag, [&](const Row& row) -> std::optional<Given> {
                          const auto found = line.values.find(row.spec.flag);
                          if (found == line.values.end()) return std::nullopt;
                          return Given{row.spec.flag, found->second};
                        }};
  const Level from_environment{ConfigSource::kEnvironment,
                               [&](const Row& row) -> std::optional<Given> {
                                 for (const std::string& name : row.spec.env) {
                                   const auto value = environment(name);
                                   if (!value || TrimBlank(*value).empty()) continue;
                                   if (!row.clear) return Given{name, {*value}};
                                   return Given{name, SplitList(*value)};
                                 }
                                 return std::nullopt;
                               }};
  for (Row& row : rows_) {
    if (row.spec.flag == kConfigFlag) Resolve(row, {from_flag, from_environment}, problems);
  }
  file_identity_ = IdentityOf(file_path_);  // before it is read: what changes later is news
  const ConfigFile file = ReadFile(problems);
  const Level from_file{ConfigSource::kFile, [&](const Row& row) -> std::optional<Given> {
                          const ConfigFile::Value* value = file.Find(KeyOf(row.spec.flag));
                          if (value == nullptr || value->values.empty()) return std::nullopt;
                          if (value->is_list && !row.clear)
                            return std::nullopt;  // told by CheckKeys
                          return Given{value->place + ": " + KeyOf(row.spec.flag), value->values};
                        }};
  // From the first to be asked to the last; the default is what Resolve falls back to.
  const std::vector<Level> levels = {from_flag, from_environment, from_file};
  for (Row& row : rows_) {
    if (row.spec.flag == kConfigFlag) continue;
    const bool given_after_dashes = line.trailing && row.spec.flag == trailing_flag_;
    const std::size_t before = problems.size();
    Resolve(row, given_after_dashes ? std::vector<Level>() : levels, problems);
    row.sound = problems.size() == before;
  }
  TakeTrailing(line, problems);
  RunChecks(file, problems);
  if (!problems.empty()) return {ParseResult::kExit, EX_CONFIG, {}, std::move(problems)};
  if (line.print) return {ParseResult::kExit, EX_OK, Yaml(), {}};
  if (line.check) {
    return {ParseResult::kExit, EX_OK, program_ + ": the configuration is valid\n", {}};
  }
  return {};
}

void ConfigTable::TakeTrailing(const CommandLine& line, std::vector<std::string>& problems) {
  if (!line.trailing) return;
  if (trailing_ == nullptr) {
    problems.push_back("--: no command is taken after it; expected options only");
    return;
  }
  if (line.values.contains(trailing_flag_)) {
    problems.push_back(trailing_flag_ + ": set together with -- " + trailing_name_ +
                       "...; expected one of them");
  }
  *trailing_ = *line.trailing;  // in any case: one mistake, one problem
}

// What several options, or blocks of the file, say together.
void ConfigTable::RunChecks(const ConfigFile& file, std::vector<std::string>& problems) {
  for (const FileBlock& block : blocks_) {
    if (const YAML::Node* node = file.Block(block.key)) block.read(file_path_, *node, problems);
  }
  if (!file.usable()) return;  // what it would have said may be what they miss
  for (const CrossCheck& check : checks_) {
    const bool readable = std::all_of(check.flags_read.begin(), check.flags_read.end(),
                                      [this](const auto& flag) { return Find(flag)->sound; });
    if (!readable) continue;
    if (auto problem = check.problem()) problems.push_back(std::move(*problem));
  }
}

ConfigSource ConfigTable::SourceOf(std::string_view flag) const {
  const Row* row = Find(flag);
  return row == nullptr ? ConfigSource::kDefault : row->source;
}

}  // namespace runner
