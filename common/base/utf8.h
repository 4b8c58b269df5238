#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace runner {

// The character at the start of a text, by RFC 3629: overlong forms, surrogates and values above
// U+10FFFF are invalid. An invalid byte is one character of length 1.
struct Utf8Char {
  char32_t code_point = 0;
  std::size_t length = 0;  // bytes; 0 only for an empty text
  bool valid = false;
};
Utf8Char DecodeUtf8(std::string_view text);

// Replaces every invalid byte with U+FFFD.
std::string SanitizeUtf8(std::string_view text);

// Truncates valid UTF-8 to at most `max_bytes` without splitting a character. A truncated text ends
// with the marker, which counts towards the bound and is omitted if it does not fit.
inline constexpr std::string_view kTruncationMarker = "...[truncated]";
std::string TruncateUtf8(std::string_view text, std::size_t max_bytes,
                         std::string_view marker = kTruncationMarker);

// True for a character that is invisible or can change how the following text is shown: control
// characters, line separators, bidirectional and zero-width controls.
bool IsUnsafeForTerminal(char32_t c);

// Escapes a text for one line of a terminal: control characters, line separators, bidirectional and
// zero-width controls and invalid bytes become \n, \t, \xNN or \u{NNNN}.
std::string EscapeForTerminal(std::string_view text);

}  // namespace runner
