#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace runner {

// Values as users write them in flags, environment variables and files. A parser takes the whole
// text: white space, trailing characters and numbers out of range are invalid. The caller removes
// the white space around a value (TrimBlank).

std::optional<bool> ParseBool(std::string_view text);
std::optional<std::int64_t> ParseInteger(std::string_view text);
// 1048576, 10MiB, 5 GiB, 1.5GB.
std::optional<std::uint64_t> ParseBytes(std::string_view text);
// 30, 0.5 (seconds), 500ms, 1m30s, 7d. Units: ns, us, ms, s, m, h, d. Not negative.
std::optional<Duration> ParseDuration(std::string_view text);
// Removes the white space around the text, such as the newline at the end of a mounted file.
std::string_view TrimBlank(std::string_view text);
// The parts between commas, without the white space around them; empty parts are left out.
std::vector<std::string> SplitList(std::string_view text);

// The shortest exact form: 90 s is "1m30s".
std::string FormatDuration(Duration duration);

// The key of an option in files and log fields, and back: --max-queue-age is max_queue_age.
std::string KeyOf(std::string_view flag);
std::string FlagOf(std::string_view key);

// The candidate that `word` probably misspells, if one is near enough.
std::optional<std::string> NearestWord(std::string_view word,
                                       const std::vector<std::string>& candidates);

// Any value as it is shown in a problem: quoted, on one line, at most 202 bytes of UTF-8.
std::string QuoteValue(std::string_view value);

}  // namespace runner
