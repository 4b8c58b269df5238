// The input is the value of an option, and its lines are the arguments of a program. A value that
// is accepted means the same after it was printed and parsed again; a value that is rejected is
// reported on one line that is safe to print.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/address.h"
#include "common/base/utf8.h"
#include "common/base/values.h"
#include "common/config/config_table.h"
#include "tests/fuzz/fuzz_check.h"

namespace runner {
namespace {

bool HasControls(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

void CheckNumbers(std::string_view text) {
  if (const auto number = ParseInteger(text)) {
    FUZZ_CHECK(ParseInteger(std::to_string(*number)) == number);
  }
  if (const auto bytes = ParseBytes(text)) {
    FUZZ_CHECK(ParseBytes(std::to_string(*bytes)) == bytes);
  }
  // Beyond the longest duration that an option takes, parts of a nanosecond's worth may be lost.
  if (const auto duration = ParseDuration(text)) {
    FUZZ_CHECK(*duration >= Duration::zero());
    const std::string shown = FormatDuration(*duration);
    FUZZ_CHECK(ParseDuration(shown).has_value() && !HasControls(shown));
    if (*duration <= DurationRange().max) FUZZ_CHECK(ParseDuration(shown) == duration);
  }
}

void CheckList(std::string_view text) {
  const std::vector<std::string> parts = SplitList(text);
  std::string joined;
  for (const std::string& part : parts) {
    FUZZ_CHECK(!part.empty() && part.find(',') == std::string::npos);
    FUZZ_CHECK(part.find_first_of(" \t") != 0 && part.find_last_of(" \t") + 1 != part.size());
    joined += (joined.empty() ? "" : ", ") + part;
  }
  FUZZ_CHECK(SplitList(joined) == parts);
  FUZZ_CHECK(NearestWord(text, {}) == std::nullopt);
  if (text.size() > 100) return;  // what follows takes the product of the lengths
  const auto nearest = NearestWord(text, parts);
  FUZZ_CHECK(!nearest || std::find(parts.begin(), parts.end(), *nearest) != parts.end());
  for (const std::string& part : parts) FUZZ_CHECK(NearestWord(part, parts) == part);
}

std::string Write(const Address& address) {
  if (!address.unix_path.empty()) return "unix://" + address.unix_path;
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
}

void CheckAddress(std::string_view text) {
  const auto address = ParseAddress(text);
  if (!address) return;
  FUZZ_CHECK(address->host.empty() != address->unix_path.empty());
  FUZZ_CHECK(!HasControls(address->host));
  FUZZ_CHECK(address->unix_path.find('\0') == std::string::npos);
  if (address->host.find(':') != std::string::npos) FUZZ_CHECK(IsIpAddress(address->host));
  const auto again = ParseAddress(Write(*address));
  FUZZ_CHECK(again && again->host == address->host && again->port == address->port);
  FUZZ_CHECK(again->unix_path == address->unix_path && again->IsLocal() == address->IsLocal());
}

void CheckQuoting(std::string_view text) {
  constexpr std::size_t kLongest = 202;
  const std::string quoted = QuoteValue(text);
  FUZZ_CHECK(quoted.size() >= 2 && quoted.size() <= kLongest);
  FUZZ_CHECK(quoted.starts_with('"') && quoted.ends_with('"'));
  FUZZ_CHECK(!HasControls(quoted) && SanitizeUtf8(quoted) == quoted);
  FUZZ_CHECK(EscapeForTerminal(quoted) == quoted);  // nothing is left to be escaped
}

struct Destinations {
  std::string text, path, address, ip;
  std::optional<bool> flag;
  int word = 0;
  std::uint32_t integer = 0;
  std::uint16_t port = 0;
  std::uint64_t bytes = 0;
  Duration duration{};
  std::vector<std::string> list, command;
  Severity severity = Severity::kInfo;
};

ConfigTable TableInto(Destinations& to) {
  ConfigTable table("program", "A summary.");
  table.Add(TextOption({.flag = "--text"}, &to.text))
      .Add(PathOption({.flag = "--path", .default_text = "/tmp"}, &to.path))
      .Add(SwitchOption({.flag = "--flag"}, &to.flag))
      .Add(IntegerOption({.flag = "--integer"}, 1, 100, &to.integer))
      .Add(PortOption({.flag = "--port"}, &to.port))
      .Add(BytesOption({.flag = "--bytes"}, &to.bytes))
      .Add(DurationOption({.flag = "--duration"}, {std::chrono::seconds(1), std::chrono::hours(1)},
                          &to.duration))
      .Add(EnumOption<int>({.flag = "--word"}, {{"one", 1}, {"two", 2}}, &to.word))
      .Add(AddressOption({.flag = "--address"}, &to.address))
      .Add(IpOption({.flag = "--ip", .secret = true}, &to.ip))
      .Add(ListOption({.flag = "--list"}, &to.list))
      .Add(SeverityOption({.flag = "--severity"}, &to.severity))
      .TrailingCommand("command", "--text", &to.command);
  return table;
}

void CheckBounds(const Destinations& to) {
  FUZZ_CHECK(to.integer <= 100);
  FUZZ_CHECK(to.bytes <= static_cast<std::uint64_t>(INT64_MAX));
  FUZZ_CHECK(to.duration <= std::chrono::hours(1));
  FUZZ_CHECK(to.duration >= std::chrono::seconds(1) || to.duration == Duration::zero());
  FUZZ_CHECK(to.word >= 0 && to.word <= 2);
  FUZZ_CHECK(to.address.empty() || ParseAddress(to.address));
  FUZZ_CHECK(to.ip.empty() || IsIpAddress(to.ip));
  FUZZ_CHECK(ParseSeverity(ToString(to.severity)) == to.severity);
}

// The lines as arguments. Bytes behind a NUL do not reach a program.
void CheckArguments(std::string_view text) {
  std::vector<std::string> lines = {"program"};
  for (; !text.empty(); text.remove_prefix(std::min(lines.back().size() + 1, text.size()))) {
    lines.emplace_back(text.substr(0, text.find('\n')));
  }
  std::vector<const char*> argv;
  for (const std::string& line : lines) argv.push_back(line.c_str());
  Destinations to;
  ConfigTable table = TableInto(to);
  const ParseResult result = table.Parse(static_cast<int>(argv.size()), argv.data(),
                                         [](const std::string&) { return std::nullopt; });
  for (const std::string& problem : result.problems) {
    FUZZ_CHECK(!problem.empty() && !HasControls(problem));
    FUZZ_CHECK(SanitizeUtf8(problem) == problem);
  }
  FUZZ_CHECK((result.kind == ParseResult::kOk) == (result.problems.empty() && result.text.empty()));
  CheckBounds(to);
  FUZZ_CHECK(!table.Effective().empty() && !table.Help().empty() && !table.Yaml().empty());
}

}  // namespace
}  // namespace runner

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runner;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(ParseBool(text));
  if (const auto severity = ParseSeverity(text)) {
    FUZZ_CHECK(ParseSeverity(ToString(*severity)) == severity);
  }
  CheckNumbers(text);
  CheckList(text);
  CheckAddress(text);
  CheckQuoting(text);
  CheckArguments(text);
  return 0;
}
