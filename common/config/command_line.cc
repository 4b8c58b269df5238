#include "common/config/command_line.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include <CLI/CLI.hpp>

#include "common/base/values.h"

namespace runner {
namespace {

constexpr std::size_t kHelpWidth = 100;  // columns

struct CommonFlag {
  const char* names;  // as CLI11 declares them
  const char* flag;
  const char* help;
  bool CommandLine::* given;
};
constexpr CommonFlag kCommonFlags[] = {
    {"--check-config", "--check-config", "check the configuration, report all problems, and exit",
     &CommandLine::check_config},
    {"--print-config", "--print-config",
     "print the effective configuration as YAML, secrets masked, and exit",
     &CommandLine::print_config},
    {"--version", "--version", "print the version and exit", &CommandLine::version},
    {"-h,--help", "--help", "print this help and exit", &CommandLine::help},
};

// CLI11 2.1.2 reads `--a= --b` as `--a=--b`, `--switch=` as `--switch`, and `-help` as `-h -elp`. A
// NUL, which no argument can contain, marks the texts that it must not interpret: the value behind
// `=`, and arguments with a single dash. Unmarked removes it from whatever CLI11 returns.
constexpr char kMark = '\0';

std::string Marked(std::string argument) {
  if (argument.starts_with("--")) {
    const std::size_t equals = argument.find('=');
    if (equals != std::string::npos) argument.insert(equals + 1, 1, kMark);
  } else if (argument.starts_with('-') && argument != "-h") {
    argument.insert(0, 1, kMark);
  }
  return argument;
}

std::string Unmarked(std::string text) {
  std::erase(text, kMark);
  return text;
}

// Wraps each line of the text at its spaces.
std::string Wrap(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    out += indent;
    for (std::size_t column = indent.size(); !line.empty();) {
      const std::string_view word = line.substr(0, line.find(' '));
      line.remove_prefix(std::min(word.size() + 1, line.size()));
      if (column > indent.size() && column + word.size() > kHelpWidth) {
        out.append("\n").append(indent);
        column = indent.size();
      }
      if (column > indent.size()) out += ' ';
      out += word;
      column += word.size() + 1;
    }
    out += '\n';
  }
  return out;
}

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string trailing_name) : trailing_name_(std::move(trailing_name)) {}

  std::string make_description(const CLI::App* app) const override {
    return Wrap(app->get_description(), "");
  }
  std::string make_usage(const CLI::App*, std::string program) const override {
    const std::string trailing = trailing_name_.empty() ? "" : " [-- " + trailing_name_ + "...]";
    return "\nUsage: " + program + " [options]" + trailing + "\n\n";
  }
  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string out = group + ":\n";
    for (const CLI::Option* option : options) out += make_option(option, is_positional);
    return out;
  }
  std::string make_option(const CLI::Option* option, bool) const override {
    return "  " + option->get_name(false, true) + option->get_option_text() + '\n' +
           Wrap(option->get_description(), "      ");
  }

 private:
  const std::string trailing_name_;
};

// What the option sets; on a line of its own, its values and its environment variables.
std::string Description(const Option& option) {
  std::string values = option.Range();
  for (const std::string& name : option.spec.env) {
    const bool is_first = &name == &option.spec.env.front();
    values += (is_first ? (values.empty() ? "env: " : "; env: ") : ", ") + name;
  }
  return option.spec.help + (values.empty() ? "" : "\n" + values);
}

// CLI11 does what it does by default, but for this: it keeps what it does not know, and every value
// of an option that repeats; and it has no help flag of its own, whose exception would come before
// the problems.
std::unique_ptr<CLI::App> MakeApp(const CommandLineSyntax& syntax,
                                  const std::vector<Option>& options) {
  auto app = std::make_unique<CLI::App>(syntax.summary, syntax.program);
  app->set_help_flag();
  app->allow_extras();
  app->formatter(std::make_shared<HelpFormatter>(syntax.trailing_name));
  app->footer(
      "A value comes from the first of: flag, environment variable (env), configuration file, "
      "default.\n"
      "Durations: 30 (seconds), 500ms, 1m30s, 7d. Bytes: 1048576, 10MiB, 5GB. Switches: --x, "
      "--x=false.");
  for (const Option& option : options) {
    const OptionSpec& spec = option.spec;
    CLI::Option* added = option.is_switch() ? app->add_flag(spec.flag) : app->add_option(spec.flag);
    std::string text = option.is_switch() ? "" : ' ' + option.value_name;
    if (!ShownDefault(spec).empty()) text += " (default: " + ShownDefault(spec) + ')';
    added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->option_text(text)
        ->description(Description(option));
    if (!spec.group.empty()) added->group(spec.group);
  }
  for (const CommonFlag& common : kCommonFlags) {
    app->add_flag(common.names)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(kGeneralGroup)
        ->description(common.help);
  }
  return app;
}

std::string Unknown(const std::string& argument, const std::vector<Option>& options) {
  const std::string shown = QuoteValue(argument);
  if (!argument.starts_with('-')) {
    return shown +
           ": unexpected argument; expected --option=value, --option value or --switch=false";
  }
  std::vector<std::string> flags;
  for (const CommonFlag& common : kCommonFlags) flags.emplace_back(common.flag);
  for (const Option& option : options) flags.push_back(option.spec.flag);
  const auto nearest = NearestWord(argument, flags);
  return shown + ": unknown option; " + (nearest ? "did you mean " + *nearest + "?" : "see --help");
}

// What CLI11 left over, in the order of the arguments. The word behind an unknown option is taken
// for its value: one mistake, one problem.
void ReportExtras(const std::vector<std::string>& extras, const std::vector<std::string>& arguments,
                  const std::vector<Option>& options, std::vector<std::string>& problems) {
  auto at = arguments.begin();
  for (std::size_t i = 0; i < extras.size(); ++i) {
    const std::string argument = Unmarked(extras[i]);
    const std::size_t equals = argument.find('=');
    problems.push_back(Unknown(argument.substr(0, equals), options));
    if (!argument.starts_with('-') || equals != std::string::npos || i + 1 == extras.size())
      continue;
    at = std::find(at, arguments.end(), extras[i]);
    const bool follows = at != arguments.end() && ++at != arguments.end() && *at == extras[i + 1];
    if (follows && !Unmarked(*at).starts_with('-')) ++i;
  }
}

}  // namespace

CommandLine ParseCommandLine(const CommandLineSyntax& syntax, const std::vector<Option>& options,
                             int argc, const char* const* argv,
                             std::vector<std::string>& problems) {
  CommandLine line;
  const char* const* const end = argv + argc;
  const char* const* const dashes = std::find_if(
      argv + std::min(argc, 1), end, [](std::string_view word) { return word == "--"; });
  if (dashes != end) line.trailing.emplace(dashes + 1, end);

  std::vector<std::string> arguments;
  for (const char* const* word = argv + std::min(argc, 1); word != dashes; ++word) {
    arguments.push_back(Marked(*word));
  }
  const std::unique_ptr<CLI::App> app = MakeApp(syntax, options);
  bool is_last_value_missing = false;
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    app->parse(reversed);
  } catch (const CLI::ArgumentMismatch&) {
    // CLI11 stops at its first error. This is the only one, and only the last argument can have it.
    is_last_value_missing = true;
  }

  ReportExtras(app->remaining(), arguments, options, problems);
  for (const Option& option : options) {
    std::vector<std::string> values = app->get_option(option.spec.flag)->results();
    if (is_last_value_missing && arguments.back() == option.spec.flag) {
      problems.push_back(option.spec.flag + ": missing value; expected " + option.spec.flag + ' ' +
                         option.value_name);
    }
    if (values.empty()) continue;
    std::transform(values.begin(), values.end(), values.begin(), Unmarked);
    line.values.emplace(option.spec.flag, std::move(values));
  }
  for (const CommonFlag& common : kCommonFlags) {
    for (const std::string& value : app->get_option(common.flag)->results()) {
      if (value.front() != kMark) {
        line.*common.given = true;
      } else {
        problems.push_back(std::string(common.flag) + ": invalid value " +
                           QuoteValue(Unmarked(value)) + "; expected no value");
      }
    }
  }
  return line;
}

std::string HelpText(const CommandLineSyntax& syntax, const std::vector<Option>& options) {
  return MakeApp(syntax, options)->help();
}

const std::string& ShownDefault(const OptionSpec& spec) {
  return spec.default_help.empty() ? spec.default_text : spec.default_help;
}

}  // namespace runner
