#include <cstdint>
#include <utility>

#include "common/base/address.h"
#include "common/base/values.h"
#include "common/config/option_table.h"

// The kinds of options: for each, how a text is read into its destination, and what is allowed.

namespace runner {
namespace {

template <typename Number>
bool AssignInteger(const std::string& text, Number min, Number max, Number* into) {
  const auto number = ParseInteger(text);
  if (!number || std::cmp_less(*number, min) || std::cmp_greater(*number, max)) return false;
  *into = static_cast<Number>(*number);
  return true;
}

template <typename Number>
std::string WholeNumber(Number min, Number max) {
  return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

template <typename Flag>
bool AssignBool(const std::string& text, Flag* into) {
  const std::optional<bool> value = ParseBool(text);
  if (!value) return false;
  *into = *value;  // NOLINT(bugprone-optional-value-conversion): some options are optional<bool>
  return true;
}

bool AssignText(const std::string& text, std::string* into) {
  *into = text;
  return true;
}

constexpr const char* kTrueOrFalse = "true or false";

}  // namespace

ConfigTable& ConfigTable::String(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) { return AssignText(text, into); };
  return Declare({std::move(spec), "TEXT", "", assign, [into] { return *into; }});
}

ConfigTable& ConfigTable::Url(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) { return AssignText(text, into); };
  return Declare({std::move(spec), "URL", "", assign, [into]() -> LogField::Value {
                    const auto end = into->find_first_of("?#");
                    return end == std::string::npos ? *into : into->substr(0, end) + "?***";
                  }});
}

ConfigTable& ConfigTable::Path(OptionSpec spec, std::string* into) {
  const bool may_be_empty = spec.default_text.empty() && !spec.required;
  const auto assign = [into, may_be_empty](const std::string& text) {
    return (may_be_empty || !text.empty()) && AssignText(text, into);
  };
  return Declare(
      {std::move(spec), "PATH", may_be_empty ? "" : "a path", assign, [into] { return *into; }});
}

ConfigTable& ConfigTable::Bool(OptionSpec spec, bool* into) {
  const auto assign = [into](const std::string& text) { return AssignBool(text, into); };
  return Declare({std::move(spec), "", kTrueOrFalse, assign, [into] { return *into; }});
}

ConfigTable& ConfigTable::Bool(OptionSpec spec, std::optional<bool>* into) {
  const auto assign = [into](const std::string& text) { return AssignBool(text, into); };
  const auto show = [into]() -> LogField::Value {
    if (!*into) return std::string();
    return **into;
  };
  return Declare({std::move(spec), "", kTrueOrFalse, assign, show});
}

ConfigTable& ConfigTable::Integer(OptionSpec spec, std::int64_t min, std::int64_t max,
                                  std::int64_t* into) {
  const auto assign = [=](const std::string& text) { return AssignInteger(text, min, max, into); };
  return Declare({std::move(spec), "N", WholeNumber(min, max), assign, [into] { return *into; }});
}

ConfigTable& ConfigTable::Integer(OptionSpec spec, std::uint32_t min, std::uint32_t max,
                                  std::uint32_t* into) {
  const auto assign = [=](const std::string& text) { return AssignInteger(text, min, max, into); };
  const auto show = [into] { return std::int64_t{*into}; };
  return Declare({std::move(spec), "N", WholeNumber(min, max), assign, show});
}

ConfigTable& ConfigTable::Port(OptionSpec spec, std::uint16_t* into) {
  const auto assign = [into](const std::string& text) {
    return AssignInteger<std::uint16_t>(text, 0, UINT16_MAX, into);
  };
  return Declare({std::move(spec), "PORT", "a port from 0 to 65535 (0 picks a free one)", assign,
                  [into] { return std::int64_t{*into}; }});
}

ConfigTable& ConfigTable::Bytes(OptionSpec spec, std::uint64_t* into) {
  const auto assign = [into](const std::string& text) {
    const auto bytes = ParseBytes(text);
    if (!bytes || *bytes > INT64_MAX) return false;
    *into = *bytes;
    return true;
  };
  const auto show = [into] { return static_cast<std::int64_t>(*into); };
  return Declare(
      {std::move(spec), "BYTES", "a number of bytes such as 1048576 or 10MiB", assign, show});
}

ConfigTable& ConfigTable::Seconds(OptionSpec spec, DurationRange range, Duration* into) {
  const auto assign = [range, into](const std::string& text) {
    const auto duration = ParseDuration(text);
    if (!duration || *duration < range.min || *duration > range.max) return false;
    *into = *duration;
    return true;
  };
  std::string allowed = "a duration from " + FormatDuration(range.min) + " to " +
                        FormatDuration(range.max) + " such as 30 (seconds), 1m30s or 500ms";
  return Declare({std::move(spec), "DURATION", std::move(allowed), assign,
                  [into] { return ToSeconds(*into); }});
}

ConfigTable& ConfigTable::Word(OptionSpec spec, const std::vector<std::string>& words,
                               std::string* into) {
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(words.size());
  for (const std::string& word : words) pairs.emplace_back(word, word);
  return Enum(std::move(spec), std::move(pairs), into);
}

ConfigTable& ConfigTable::AddressText(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) {
    return ParseAddress(text).has_value() && AssignText(text, into);
  };
  return Declare({std::move(spec), "ADDRESS", "host:port, [ipv6]:port or unix:/path", assign,
                  [into] { return *into; }});
}

ConfigTable& ConfigTable::IpAddress(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) {
    return IsIpAddress(text) && AssignText(text, into);
  };
  return Declare(
      {std::move(spec), "IP", "an IPv4 or IPv6 address", assign, [into] { return *into; }});
}

ConfigTable& ConfigTable::List(OptionSpec spec, std::vector<std::string>* into) {
  const auto assign = [into](const std::string& text) {
    if (!text.empty()) into->push_back(text);
    return !text.empty();
  };
  return Declare({std::move(spec), "TEXT", "something that is not empty", assign,
                  [into] { return *into; }, [into] { into->clear(); }});
}

ConfigTable& ConfigTable::SeverityLevel(OptionSpec spec, Severity* into) {
  const auto assign = [into](const std::string& text) {
    const auto severity = ParseSeverity(text);
    if (severity) *into = *severity;
    return severity.has_value();
  };
  return Declare({std::move(spec), "SEVERITY", "one of debug, info, warning, error, critical",
                  assign, [into] { return std::string(ToString(*into)); }});
}

}  // namespace runner
