#include "common/base/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/base/utf8.h"

namespace runner {
namespace {

constexpr std::size_t kMinPrefix = 5;
constexpr double kUint64Limit = 18446744073709551616.0;  // 2^64

struct Unit {
  std::string_view name;
  double factor;
};

// Longer names first where one begins with another.
constexpr std::array<Unit, 7> kDurationUnits = {
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};

constexpr std::array<Unit, 10> kByteUnits = {{{"", 1},
                                              {"B", 1},
                                              {"KiB", 1024.0},
                                              {"MiB", 1048576.0},
                                              {"GiB", 1073741824.0},
                                              {"TiB", 1099511627776.0},
                                              {"kB", 1e3},
                                              {"MB", 1e6},
                                              {"GB", 1e9},
                                              {"TB", 1e12}}};

// Takes an unsigned decimal number such as 1, 1.5 or .5 from the front of the text.
std::optional<double> TakeNumber(std::string_view& text) {
  if (text.empty() || (text[0] != '.' && (text[0] < '0' || text[0] > '9'))) return std::nullopt;
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

// Takes the letters at the front of the text.
std::string_view TakeLetters(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && ((text[end] | 32) >= 'a' && (text[end] | 32) <= 'z')) ++end;
  const std::string_view letters = text.substr(0, end);
  text.remove_prefix(end);
  return letters;
}

std::optional<Duration> FromNanoseconds(double nanoseconds) {
  if (!(nanoseconds < static_cast<double>(Duration::max().count()))) return std::nullopt;
  return Duration(std::llround(nanoseconds));
}

// The number of single-character edits (Levenshtein) that turn one word into the other.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::optional<bool> ParseBool(std::string_view text) {
  for (const std::string_view word : {"true", "1", "yes", "on"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"false", "0", "no", "off"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> ParseBytes(std::string_view text) {
  std::uint64_t plain = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plain);
  if (error == std::errc() && end == text.data() + text.size()) return plain;
  const auto number = TakeNumber(text);
  if (!number) return std::nullopt;
  if (text.starts_with(' ')) text.remove_prefix(1);
  const auto unit = std::find_if(kByteUnits.begin(), kByteUnits.end(),
                                 [&](const Unit& candidate) { return candidate.name == text; });
  if (unit == kByteUnits.end()) return std::nullopt;
  const double bytes = *number * unit->factor;
  if (!(bytes < kUint64Limit) || bytes != std::floor(bytes)) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::optional<Duration> ParseDuration(std::string_view text) {
  double total = 0;
  bool first = true;
  do {
    const auto number = TakeNumber(text);
    if (!number) return std::nullopt;
    if (first && text.empty()) return FromNanoseconds(*number * 1e9);
    first = false;
    const std::string_view name = TakeLetters(text);
    const auto unit = std::find_if(kDurationUnits.begin(), kDurationUnits.end(),
                                   [&](const Unit& candidate) { return candidate.name == name; });
    if (unit == kDurationUnits.end()) return std::nullopt;
    total += *number * unit->factor;
  } while (!text.empty());
  return FromNanoseconds(total);
}

std::string_view TrimBlank(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = TrimBlank(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::string FormatDuration(Duration duration) {
  std::string out;
  std::int64_t left = duration.count();
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> kUnits = {
      {{"d", 86'400'000'000'000},
       {"h", 3'600'000'000'000},
       {"m", 60'000'000'000},
       {"s", 1'000'000'000},
       {"ms", 1'000'000},
       {"us", 1'000},
       {"ns", 1}}};
  for (const auto& [name, size] : kUnits) {
    if (left >= size) out += std::to_string(left / size).append(name);
    left %= size;
  }
  return out.empty() ? "0s" : out;
}

std::string KeyOf(std::string_view flag) {
  std::string key(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())));
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string FlagOf(std::string_view key) {
  std::string flag = "--" + std::string(key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::optional<std::string> NearestWord(std::string_view word,
                                       const std::vector<std::string>& candidates) {
  // A prefix is an unfinished word: the shortest candidate adds the least.
  std::optional<std::string> nearest;
  for (const std::string& candidate : candidates) {
    const bool longer = word.size() >= kMinPrefix && candidate.starts_with(word);
    if (longer && (!nearest || candidate.size() < nearest->size())) nearest = candidate;
  }
  if (nearest) return nearest;
  std::size_t least = word.size() / 3 + 2;  // a greater distance is no misspelling
  for (const std::string& candidate : candidates) {
    // The distance is at least the difference of the lengths, and costs their product.
    const std::size_t difference = word.size() > candidate.size() ? word.size() - candidate.size()
                                                                  : candidate.size() - word.size();
    if (difference >= least) continue;
    const std::size_t distance = EditDistance(word, candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string QuoteValue(std::string_view value) {
  constexpr std::size_t kShownValueBytes = 200;
  return '"' + TruncateUtf8(EscapeForTerminal(value), kShownValueBytes) + '"';
}

}  // namespace runner
