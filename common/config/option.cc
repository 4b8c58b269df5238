#include "common/config/option.h"

#include "common/base/address.h"
#include "common/base/values.h"

namespace runner {
namespace {

template <typename Number>
bool AssignInteger(const std::string& text, Number min, Number max, Number* into) {
  const auto number = ParseInteger(text);
  if (!number || std::cmp_less(*number, min) || std::cmp_greater(*number, max)) return false;
  *into = static_cast<Number>(*number);
  return true;
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

EnumWords<Severity> SeverityWords() {
  return WordsOf({Severity::kDebug, Severity::kInfo, Severity::kWarning, Severity::kError,
                  Severity::kCritical});
}

Option TextOption(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) { return AssignText(text, into); };
  return {std::move(spec), "TEXT", "", assign, [into] { return *into; }};
}

Option UrlOption(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) { return AssignText(text, into); };
  const auto show = [into]() -> LogField::Value {
    const auto end = into->find_first_of("?#");
    return end == std::string::npos ? *into : into->substr(0, end) + "?***";
  };
  return {std::move(spec), "URL", "", assign, show};
}

Option PathOption(OptionSpec spec, std::string* into) {
  const bool may_be_empty = spec.default_text.empty();
  const auto assign = [into, may_be_empty](const std::string& text) {
    return (may_be_empty || !text.empty()) && AssignText(text, into);
  };
  return {std::move(spec), "PATH", may_be_empty ? "" : "a path", assign, [into] { return *into; }};
}

Option SwitchOption(OptionSpec spec, bool* into) {
  const auto assign = [into](const std::string& text) { return AssignBool(text, into); };
  return {std::move(spec), "", kTrueOrFalse, assign, [into] { return *into; }};
}

Option SwitchOption(OptionSpec spec, std::optional<bool>* into) {
  const auto assign = [into](const std::string& text) { return AssignBool(text, into); };
  const auto show = [into]() -> LogField::Value {
    if (!*into) return std::string();
    return **into;
  };
  return {std::move(spec), "", kTrueOrFalse, assign, show};
}

Option IntegerOption(OptionSpec spec, std::uint32_t min, std::uint32_t max, std::uint32_t* into) {
  const auto assign = [=](const std::string& text) { return AssignInteger(text, min, max, into); };
  std::string allowed = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  return {std::move(spec), "N", std::move(allowed), assign, [into] { return std::int64_t{*into}; }};
}

Option PortOption(OptionSpec spec, std::uint16_t* into) {
  const auto assign = [into](const std::string& text) {
    return AssignInteger<std::uint16_t>(text, 0, UINT16_MAX, into);
  };
  return {std::move(spec), "PORT", "0 to 65535", assign, [into] { return std::int64_t{*into}; }};
}

Option BytesOption(OptionSpec spec, std::uint64_t* into) {
  const auto assign = [into](const std::string& text) {
    const auto bytes = ParseBytes(text);
    if (!bytes || *bytes > INT64_MAX) return false;
    *into = *bytes;
    return true;
  };
  const auto show = [into] { return static_cast<std::int64_t>(*into); };
  return {std::move(spec), "BYTES", "a number of bytes such as 1048576 or 10MiB", assign, show};
}

Option DurationOption(OptionSpec spec, DurationRange range, Duration* into) {
  const auto assign = [range, into](const std::string& text) {
    const auto duration = ParseDuration(text);
    if (!duration || *duration < range.min || *duration > range.max) return false;
    *into = *duration;
    return true;
  };
  std::string allowed = "a duration from " + FormatDuration(range.min) + " to " +
                        FormatDuration(range.max) + " such as 30 (seconds), 1m30s or 500ms";
  return {std::move(spec), "DURATION", std::move(allowed), assign,
          [into] { return ToSeconds(*into); }};
}

Option AddressOption(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) {
    return ParseAddress(text).has_value() && AssignText(text, into);
  };
  return {std::move(spec), "ADDRESS", "host:port, [ipv6]:port or unix:/path", assign,
          [into] { return *into; }};
}

Option IpOption(OptionSpec spec, std::string* into) {
  const auto assign = [into](const std::string& text) {
    return IsIpAddress(text) && AssignText(text, into);
  };
  return {std::move(spec), "IP", "an IPv4 or IPv6 address", assign, [into] { return *into; }};
}

Option ListOption(OptionSpec spec, std::vector<std::string>* into) {
  const auto assign = [into](const std::string& text) {
    if (!text.empty()) into->push_back(text);
    return !text.empty();
  };
  return {std::move(spec),
          "TEXT",
          "a value that is not empty",
          assign,
          [into] { return *into; },
          [into] { into->clear(); }};
}

Option SeverityOption(OptionSpec spec, Severity* into) {
  const auto assign = [into](const std::string& text) {
    const auto severity = ParseSeverity(text);
    if (severity) *into = *severity;
    return severity.has_value();
  };
  const auto show = [into] { return std::string(ToString(*into)); };
  return {std::move(spec), "SEVERITY", OneOf(SeverityWords()), assign, show};
}

}  // namespace runner
