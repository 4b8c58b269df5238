#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_identity.h"
#include "common/domain/incident.h"
#include "common/observability/logger.h"

namespace YAML {
class Node;
}

namespace runner {

class ConfigFile;

// Reads one environment variable; empty when it is not set. Injected, so tests need no setenv.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;
EnvironmentLookup ProcessEnvironment();

// One option as a user sees it.
struct OptionSpec {
  std::string flag = {};              // with its dashes: "--slots"
  std::vector<std::string> env = {};  // the first one that is set counts
  // Parsed like any other value. Empty: the destination keeps the value that it has.
  std::string default_text = {};
  std::string help = {};
  std::string default_help = {};  // what --help says about a default that is found at run time
  bool required = false;
  bool secret = false;  // the value is masked wherever it would be shown
};

// From where an option has its value, weakest first.
enum class ConfigSource { kDefault, kFile, kEnvironment, kFlag };

struct DurationRange {
  Duration min = Duration::zero();
  Duration max = std::chrono::hours(24 * 365);
};

// What parsing came to. Not kOk: print and exit.
struct ParseResult {
  enum Kind { kOk, kExit };

  Kind kind = kOk;
  int exit_code = 0;  // 78 (EX_CONFIG) for problems
  std::string text;   // for stdout: help, version, the effective configuration
  std::vector<std::string>
      problems;  // for stderr: each names the option, its value, what is allowed

  // Prints text and problems. The exit code, when the program is to end.
  std::optional<int> Report(std::string_view program) const;
};

// The options of one program, each declared once: from the table come parsing, checks, --help, the
// effective configuration and the tables of docs/configuration.md. --check-config only checks, and
// --print-config prints the effective configuration, once everything was found sound. A flag goes
// before the environment, the environment before the file, the file before the default; an
// environment variable that is empty or blank counts as unset. White space around a value is
// removed, as mounted files end in a newline; not in lists. Everything is checked before Parse
// returns and all problems are printed together.
//
// Destinations belong to the caller and outlive the table; they are written by Parse only. A flag
// that stands several times counts with its last value, except for lists. Not thread-safe.
// Declaring an option twice, or a default that is not allowed, is a defect of the program:
// std::logic_error.
class ConfigTable {
 public:
  ConfigTable(std::string program, std::string summary);

  ConfigTable& String(OptionSpec spec, std::string* into);
  // Not looked at; shown without its query, which may hold a secret.
  ConfigTable& Url(OptionSpec spec, std::string* into);
  // Not empty; not looked at.
  ConfigTable& Path(OptionSpec spec, std::string* into);
  // `--x`, `--x=true|false|yes|no|on|off|1|0`.
  ConfigTable& Bool(OptionSpec spec, bool* into);
  ConfigTable& Bool(OptionSpec spec, std::optional<bool>* into);
  ConfigTable& Integer(OptionSpec spec, std::int64_t min, std::int64_t max, std::int64_t* into);
  ConfigTable& Integer(OptionSpec spec, std::uint32_t min, std::uint32_t max, std::uint32_t* into);
  // 0..65535; 0 picks a free one.
  ConfigTable& Port(OptionSpec spec, std::uint16_t* into);
  // A plain number, or one with B, KiB, MiB, GiB, TiB, kB, MB, GB, TB.
  ConfigTable& Bytes(OptionSpec spec, std::uint64_t* into);
  // A plain number is seconds, decimals allowed; also 500ms, 1m30s, 7d.
  ConfigTable& Seconds(OptionSpec spec, DurationRange range, Duration* into);
  // One of some words, exactly.
  ConfigTable& Word(OptionSpec spec, const std::vector<std::string>& words, std::string* into);
  // The same, with what each word stands for.
  template <typename E>
  ConfigTable& Enum(OptionSpec spec, std::vector<std::pair<std::string, E>> words, E* into);
  // host:port, [ipv6]:port or unix:/path.
  ConfigTable& AddressText(OptionSpec spec, std::string* into);
  // An IPv4 or IPv6 address without port.
  ConfigTable& IpAddress(OptionSpec spec, std::string* into);
  // The flag repeats; the environment is a comma list.
  ConfigTable& List(OptionSpec spec, std::vector<std::string>* into);
  ConfigTable& SeverityLevel(OptionSpec spec, Severity* into);
  // Everything after `--`, verbatim: another way to give the option `flag`, which then keeps its
  // default whatever the environment and the file say; giving both on the command line is a
  // problem. Without this, arguments after `--` are a problem.
  ConfigTable& TrailingCommand(std::string name, std::string help, std::string flag,
                               std::vector<std::string>* into);
  // --config FILE: YAML, with the names of the flags and underscores. What stands under `section`
  // goes before the rest. `others` are the keys of the other program, which may share the file:
  // they are passed over, as is its section.
  ConfigTable& File(std::string section, std::vector<std::string> others);
  // A block of the file that is no option. `read` runs after all options were read, if the file has
  // it; it adds its problems, which begin with the place (see ConfigFile).
  using ReadBlock = std::function<void(const std::string& path, const YAML::Node& block,
                                       std::vector<std::string>& problems)>;
  // What --print-config shows of it: YAML that begins with the key, or nothing.
  using ShowBlock = std::function<std::string()>;
  ConfigTable& Block(std::string key, ReadBlock read, ShowBlock show = {});
  // A condition over several options: a problem, or nothing. Runs after all options were read, and
  // only if those that it reads are sound.
  ConfigTable& Check(std::vector<std::string> flags_read,
                     std::function<std::optional<std::string>()> check);

  ParseResult Parse(int argc, const char* const* argv, const EnvironmentLookup& environment);

  // After Parse.
  ConfigSource SourceOf(std::string_view flag) const;
  // The keys that the file may hold for this program, without --config; for the other program.
  std::vector<std::string> FileKeys() const;
  // The path of the file, empty without one, and the file as it was when Parse read it.
  const std::string& file_path() const { return file_path_; }
  const std::optional<FileIdentity>& file_identity() const { return file_identity_; }
  // Every option under its flag's name with underscores, with the value that its destination now
  // has; secrets masked. Durations in seconds.
  LogFields Effective() const;
  // The same as a configuration file that says so; what is found at run time stands as a comment.
  std::string Yaml() const;
  std::string Help() const;
  // The options as a table for docs/configuration.md.
  std::string Markdown() const;

 private:
  static constexpr const char* kConfigFlag = "--config";

  // Reads one value into its destination; false when it is not allowed.
  using Assign = std::function<bool(const std::string& text)>;
  struct Row {
    OptionSpec spec;
    std::string value_name;  // for --help: "--slots N"; empty for a switch
    std::string allowed;     // values, for people; empty: any
    Assign assign;
    std::function<LogField::Value()> show;
    std::function<void()> clear = {};  // lists only: drops what an earlier level assigned
    ConfigSource source = ConfigSource::kDefault;
    bool sound = true;  // its values, if any, were allowed
  };
  // The values of one option as one level gives them, and what to call that in a problem.
  struct Given {
    std::string name;
    std::vector<std::string> values;
  };
  // One level of precedence.
  struct Level {
    ConfigSource source;
    std::function<std::optional<Given>(const Row& row)> ask;
  };
  struct CommandLine;

  ConfigTable& Declare(Row row);
  const Row* Find(std::string_view flag) const;
  CommandLine ReadCommandLine(int argc, const char* const* argv,
                              std::vector<std::string>& problems) const;
  std::string UnknownArgument(const std::string& argument) const;
  ConfigFile ReadFile(std::vector<std::string>& problems) const;
  void CheckKeys(const ConfigFile& file, std::vector<std::string>& problems) const;
  void Resolve(Row& row, const std::vector<Level>& levels, std::vector<std::string>& problems);
  void TakeTrailing(const CommandLine& line, std::vector<std::string>& problems);
  void RunChecks(const ConfigFile& file, std::vector<std::string>& problems);
  LogField::Value Show(const Row& row) const;

  std::string program_;
  std::string summary_;
  std::vector<Row> rows_;
  struct FileBlock {
    std::string key;
    ReadBlock read;
    ShowBlock show;
  };
  std::string file_path_;  // the value of --config
  std::optional<FileIdentity> file_identity_;
  std::string file_section_;
  std::vector<std::string> other_keys_;
  std::vector<FileBlock> blocks_;
  std::string trailing_name_;
  std::string trailing_help_;
  std::string trailing_flag_;
  std::vector<std::string>* trailing_ = nullptr;
  struct CrossCheck {
    std::vector<std::string> flags_read;
    std::function<std::optional<std::string>()> problem;
  };
  std::vector<CrossCheck> checks_;
};

template <typename E>
ConfigTable& ConfigTable::Enum(OptionSpec spec, std::vector<std::pair<std::string, E>> words,
                               E* into) {
  std::string allowed;
  for (const auto& [word, value] : words) allowed += (allowed.empty() ? "" : ", ") + word;
  Row row;
  row.spec = std::move(spec);
  row.value_name = "WORD";
  row.allowed = "one of " + allowed;
  row.assign = [words, into](const std::string& text) {
    for (const auto& [word, value] : words) {
      if (word != text) continue;
      *into = value;
      return true;
    }
    return false;
  };
  row.show = [words = std::move(words), into]() -> LogField::Value {
    for (const auto& [word, value] : words) {
      if (value == *into) return word;
    }
    return std::string();
  };
  return Declare(std::move(row));
}

}  // namespace runner
