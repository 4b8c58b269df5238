#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/config/option.h"

namespace runner {

// What the command line of a program may hold.
struct CommandLineSyntax {
  std::string program;
  std::string summary;          // one sentence for --help
  std::string trailing_name{};  // "COMMAND", if `-- COMMAND...` is accepted; else empty
};

// The texts that a command line gives to each option. They are not checked.
struct CommandLine {
  std::map<std::string, std::vector<std::string>> values{};  // by flag; a bare switch is "true"
  std::optional<std::vector<std::string>> trailing{};  // the words behind `--`, if it is there
  bool help = false;
  bool version = false;
  bool check_config = false;
  bool print_config = false;
};

// Splits the arguments behind argv[0]: `--option value`, `--option=value`, `--switch`,
// `--switch=value`. The word behind an option is its value, whatever it looks like, except for
// `--`. Names are not abbreviated. Appends every unknown option, unexpected argument and missing
// value to `problems`. Pure.
CommandLine ParseCommandLine(const CommandLineSyntax& syntax, const std::vector<Option>& options,
                             int argc, const char* const* argv, std::vector<std::string>& problems);

// The text of --help, at most 100 columns wide. Pure.
std::string HelpText(const CommandLineSyntax& syntax, const std::vector<Option>& options);

// The default as --help and the documentation show it; empty if there is none.
const std::string& ShownDefault(const OptionSpec& spec);

}  // namespace runner
