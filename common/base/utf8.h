#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace runner {

// The character at the start of a text, after RFC 3629: overlong forms, surrogates and values above
// U+10FFFF are not valid. An invalid byte counts as one character of length 1.
struct Utf8Char {
  char32_t code_point = 0;
  std::size_t length = 0;  // bytes; 0 only for an empty text
  bool valid = false;
};
Utf8Char DecodeUtf8(std::string_view text);

// Replaces every invalid byte with U+FFFD.
std::string SanitizeUtf8(std::string_view text);

// Cuts valid UTF-8 to at most `max_bytes` without cutting a character. A text that was cut ends
// with the marker, which counts towards the bound and is left out when it does not fit.
inline constexpr std::string_view kTruncationMarker = "...[truncated]";
std::string TruncateUtf8(std::string_view text, std::size_t max_bytes,
                         std::string_view marker = kTruncationMarker);

// Whether a character is invisible, or able to change how what follows is shown: control
// characters, line separators, bidirectional and zero-width controls.
bool IsUnsafeForTerminal(char32_t c);

// Makes a text safe for one line of a terminal: control characters, line separators, bidirectional
// and zero-width controls and invalid bytes become \n, \t, \xNN or \u{NNNN}.
std::string EscapeForTerminal(std::string_view text);

}  // namespace runner
