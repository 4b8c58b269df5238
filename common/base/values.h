#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace runner {

// Values as people write them in flags, environment variables and files. The whole text counts:
// blanks or anything left over make it invalid, as does a number out of range. Who reads an option
// removes the white space around it (TrimBlank).

std::optional<bool> ParseBool(std::string_view text);
std::optional<std::int64_t> ParseInteger(std::string_view text);
// 1048576, 10MiB, 5 GiB, 1.5GB.
std::optional<std::uint64_t> ParseBytes(std::string_view text);
// 30, 0.5 (seconds), 500ms, 1m30s, 7d. Units: ns, us, ms, s, m, h, d. Not negative.
std::optional<Duration> ParseDuration(std::string_view text);
// Without the white space around it, such as the newline at the end of a mounted file.
std::string_view TrimBlank(std::string_view text);
// The parts between commas, without blanks around them; empty parts are left out.
std::vector<std::string> SplitList(std::string_view text);

// The shortest exact form: 90 s is "1m30s".
std::string FormatDuration(Duration duration);

// How an option is called in files and log fields: --max-queue-age is max_queue_age; and back.
std::string KeyOf(std::string_view flag);
std::string FlagOf(std::string_view key);

// The candidate that `word` was probably meant to be, if one is near enough.
std::optional<std::string> NearestWord(std::string_view word,
                                       const std::vector<std::string>& candidates);

// A value as a problem may hold it: quoted, on one line and bounded, whatever it is.
std::string QuoteValue(std::string_view value);

}  // namespace runner
