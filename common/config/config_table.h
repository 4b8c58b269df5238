#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_identity.h"
#include "common/config/command_line.h"
#include "common/config/option.h"
#include "common/config/option_catalog.h"
#include "common/observability/logger.h"

namespace YAML {
class Node;
}

namespace runner {

class ConfigFile;

// Reads one environment variable; empty if it is not set. Injected, so that tests need no setenv.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;
EnvironmentLookup ProcessEnvironment();

// The result of parsing. Unless kOk, the program prints it and exits.
struct ParseResult {
  enum Kind { kOk, kExit };

  Kind kind = kOk;
  int exit_code = 0;                  // 78 (EX_CONFIG) if there are problems
  std::string text;                   // for stdout: help, version, the effective configuration
  std::vector<std::string> problems;  // for stderr: "<where>: <what is wrong>; <what is expected>"

  // Prints text and problems. Returns the exit code, if the program must exit.
  std::optional<int> Report(std::string_view program) const;
};

// Resolves the options of one program. Parsing, checks, --help, the effective configuration and the
// tables of docs/configuration.md all come from the options added here.
//
// Precedence: flag, environment variable, file, default. An environment variable that is empty or
// blank counts as unset. The last value of a repeated flag counts, except for lists. White space
// around a value is removed, since mounted files end in a newline; lists keep it. Everything is
// checked before Parse returns, and all problems are reported together. --check-config and
// --print-config exit after the checks.
//
// Destinations belong to the caller, outlive the table, and are written by Parse only. Not
// thread-safe. Adding an option twice, or a default that is not allowed, is a bug:
// std::logic_error.
class ConfigTable {
 public:
  ConfigTable(std::string program, std::string summary);

  ConfigTable& Add(Option option);
  // Accepts `-- COMMAND...` as another way to give the option `flag`, word by word. The option then
  // keeps its default, whatever the environment and the file say; giving both on the command line
  // is a problem. Without this, words behind `--` are a problem.
  ConfigTable& TrailingCommand(std::string name, std::string flag, std::vector<std::string>* into);
  // Adds --config FILE: YAML, whose keys are the names of the flags with underscores. Keys in the
  // section of the program have precedence over the top level. The section and the options of the
  // other program are ignored.
  ConfigTable& File(Program program);
  // A block of the file that is no option. If the file has it, `read` runs after all options were
  // read, and appends its problems, which begin with FILE:LINE.
  using ReadBlock = std::function<void(const std::string& path, const YAML::Node& block,
                                       std::vector<std::string>& problems)>;
  // Returns what --print-config shows of the block: YAML that begins with the key, or nothing.
  using ShowBlock = std::function<std::string()>;
  ConfigTable& Block(std::string key, ReadBlock read, ShowBlock show = {});
  // A condition over several options: returns a problem, or nothing. Runs after all options were
  // read, and only if the values of `flags_read` are allowed.
  ConfigTable& Check(std::vector<std::string> flags_read,
                     std::function<std::optional<std::string>()> check);

  ParseResult Parse(int argc, const char* const* argv, const EnvironmentLookup& environment);

  const std::vector<Option>& options() const { return options_; }
  // The keys that the file may hold for this program, without --config.
  std::vector<std::string> FileKeys() const;
  // After Parse: the value of --config, empty if there is none, and the file as Parse found it.
  const std::string& file_path() const { return file_path_; }
  const std::optional<FileIdentity>& file_identity() const { return file_identity_; }

  // Every option by its key, with the value that its destination has now; secrets masked, durations
  // in seconds.
  LogFields Effective() const;
  // The same as a configuration file. A default that is found at run time is a comment.
  std::string Yaml() const;
  std::string Help() const;
  // The options as a table for docs/configuration.md.
  std::string Markdown() const;

 private:
  static constexpr const char* kConfigFlag = "--config";

  // The values that one level of precedence gives to an option, and their name in a problem.
  struct Given {
    std::string name;
    std::vector<std::string> values;
  };
  using Level = std::function<std::optional<Given>(const Option& option)>;

  const Option* Find(std::string_view flag) const;
  ConfigFile ReadFile(std::vector<std::string>& problems) const;
  void CheckKeys(const ConfigFile& file, std::vector<std::string>& problems) const;
  void TakeTrailing(const CommandLine& line, std::vector<std::string>& problems);
  void RunChecks(const ConfigFile& file, std::vector<std::string>& problems);
  LogField::Value Show(const Option& option) const;

  CommandLineSyntax syntax_;
  std::vector<Option> options_;
  std::string trailing_flag_;
  std::vector<std::string>* trailing_ = nullptr;

  std::optional<Program> own_;  // set if there is --config
  std::string file_path_;
  std::optional<FileIdentity> file_identity_;
  struct FileBlock {
    std::string key;
    ReadBlock read;
    ShowBlock show;
  };
  std::vector<FileBlock> blocks_;

  struct CrossCheck {
    std::vector<std::string> flags_read;
    std::function<std::optional<std::string>()> problem;
  };
  std::vector<CrossCheck> checks_;
};

}  // namespace runner
