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
#include "common/domain/incident.h"
#include "common/observability/logger.h"

namespace runner {

// The group of --help and of the options that are not about the work of a program.
inline constexpr const char* kGeneralGroup = "General";

// An option as a user sees it.
struct OptionSpec {
  std::string flag = {};              // with its dashes: "--slots"
  std::string group = {};             // its heading in --help
  std::vector<std::string> env = {};  // the first variable that is set counts
  // Parsed like any other value. Empty: the destination keeps its value.
  std::string default_text = {};
  std::string help = {};          // without values and default, which --help adds
  std::string default_help = {};  // for --help: describes a default that is found at run time
  bool secret = false;            // the value is masked wherever it would be shown
};

// An option with its destination. The caller owns the destination; it outlives the option and is
// written by `assign` and `clear` alone.
struct Option {
  OptionSpec spec;
  std::string value_name;  // in --help: "--slots N"; empty for a switch
  std::string allowed;     // in errors, behind "expected"; empty: any text
  // Writes one value; false, and the destination unchanged, if the text is not allowed.
  std::function<bool(const std::string& text)> assign;
  std::function<LogField::Value()> show;  // the value that the destination has now
  std::function<void()> clear = {};       // lists only: removes all values
  bool valid = true;                      // every value that was given is allowed

  bool is_list() const { return static_cast<bool>(clear); }
  bool is_switch() const { return value_name.empty(); }
  // `allowed` without its examples.
  std::string Range() const { return allowed.substr(0, allowed.find(" such as")); }
};

// The words of an enum as users write them. Several words may name one value; the first is shown.
template <typename E>
using EnumWords = std::vector<std::pair<std::string, E>>;

// The words of an enum that has one word for each value, as ToString returns them.
template <typename E>
EnumWords<E> WordsOf(std::initializer_list<E> values) {
  EnumWords<E> words;
  for (const E value : values) words.emplace_back(ToString(value), value);
  return words;
}

template <typename E>
std::optional<E> ParseWord(const EnumWords<E>& words, std::string_view text) {
  for (const auto& [word, value] : words) {
    if (word == text) return value;
  }
  return std::nullopt;
}

// "one of auto, json, text"
template <typename E>
std::string OneOf(const EnumWords<E>& words) {
  std::string list;
  for (const auto& [word, value] : words) list += (list.empty() ? "one of " : ", ") + word;
  return list;
}

EnumWords<Severity> SeverityWords();

struct DurationRange {
  Duration min = Duration::zero();
  Duration max = std::chrono::hours(24 * 365);
};

Option TextOption(OptionSpec spec, std::string* into);
// The text is not checked. The query is masked, since it may hold a secret.
Option UrlOption(OptionSpec spec, std::string* into);
// The file is not looked at. An empty path is allowed only if the default is empty.
Option PathOption(OptionSpec spec, std::string* into);
// `--x`, `--x=true|false|yes|no|on|off|1|0`.
Option SwitchOption(OptionSpec spec, bool* into);
Option SwitchOption(OptionSpec spec, std::optional<bool>* into);
Option IntegerOption(OptionSpec spec, std::uint32_t min, std::uint32_t max, std::uint32_t* into);
// 0 to 65535.
Option PortOption(OptionSpec spec, std::uint16_t* into);
// A plain number, or one with B, KiB, MiB, GiB, TiB, kB, MB, GB, TB.
Option BytesOption(OptionSpec spec, std::uint64_t* into);
// A plain number is in seconds, decimals allowed; also 500ms, 1m30s, 7d.
Option DurationOption(OptionSpec spec, DurationRange range, Duration* into);
// host:port, [ipv6]:port or unix:/path.
Option AddressOption(OptionSpec spec, std::string* into);
// An IPv4 or IPv6 address without a port.
Option IpOption(OptionSpec spec, std::string* into);
// The flag repeats; the environment variable is a comma-separated list.
Option ListOption(OptionSpec spec, std::vector<std::string>* into);
// Also the spellings of ParseSeverity.
Option SeverityOption(OptionSpec spec, Severity* into);

// One of the words, exactly.
template <typename E>
Option EnumOption(OptionSpec spec, EnumWords<E> words, E* into) {
  Option option;
  option.spec = std::move(spec);
  option.value_name = "WORD";
  option.allowed = OneOf(words);
  option.assign = [words, into](const std::string& text) {
    const std::optional<E> value = ParseWord(words, text);
    if (value) *into = *value;
    return value.has_value();
  };
  option.show = [words = std::move(words), into]() -> LogField::Value {
    for (const auto& [word, value] : words) {
      if (value == *into) return word;
    }
    return std::string();
  };
  return option;
}

}  // namespace runner
