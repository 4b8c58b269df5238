#include "common/base/utf8.h"

#include <cstdint>
#include <cstdio>

namespace runner {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length and smallest code point that a lead byte announces; length 0 if it is not a lead byte.
struct Lead {
  std::size_t length;
  char32_t bits;
  char32_t smallest;
};

Lead ReadLead(std::uint8_t byte) {
  if (byte < 0x80) return {1, byte, 0};
  if ((byte & 0xE0) == 0xC0) return {2, byte & 0x1Fu, 0x80};
  if ((byte & 0xF0) == 0xE0) return {3, byte & 0x0Fu, 0x800};
  if ((byte & 0xF8) == 0xF0) return {4, byte & 0x07u, 0x10000};
  return {0, 0, 0};
}

bool IsContinuation(char c) { return (static_cast<std::uint8_t>(c) & 0xC0) == 0x80; }

void AppendEscape(std::string& out, char32_t c, bool is_byte) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else {
    char buffer[16];
    const bool byte_form = is_byte || c < 0x80;
    std::snprintf(buffer, sizeof buffer, byte_form ? "\\x%02X" : "\\u{%04X}",
                  static_cast<unsigned>(c));
    out += buffer;
  }
}

}  // namespace

Utf8Char DecodeUtf8(std::string_view text) {
  if (text.empty()) return {};
  const auto first = static_cast<std::uint8_t>(text[0]);
  const Utf8Char invalid{first, 1, false};
  const Lead lead = ReadLead(first);
  if (lead.length == 0 || text.size() < lead.length) return invalid;
  char32_t code_point = lead.bits;
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (!IsContinuation(text[i])) return invalid;
    code_point = (code_point << 6) | (static_cast<std::uint8_t>(text[i]) & 0x3Fu);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < lead.smallest || code_point > 0x10FFFF || surrogate) return invalid;
  return {code_point, lead.length, true};
}

std::string SanitizeUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char next = DecodeUtf8(text);
    out += next.valid ? text.substr(0, next.length) : kReplacement;
    text.remove_prefix(next.length);
  }
  return out;
}

std::string TruncateUtf8(std::string_view text, std::size_t max_bytes, std::string_view marker) {
  if (text.size() <= max_bytes) return std::string(text);
  if (marker.size() > max_bytes) marker = {};
  std::size_t end = max_bytes - marker.size();
  while (end > 0 && IsContinuation(text[end])) --end;
  std::string out(text.substr(0, end));
  out += marker;
  return out;
}

bool IsUnsafeForTerminal(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) ||  // C0, DEL, C1
         c == 0x00AD || c == 0x061C ||            // soft hyphen, Arabic letter mark
         c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE007F);
}

std::string EscapeForTerminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char next = DecodeUtf8(text);
    if (!next.valid || IsUnsafeForTerminal(next.code_point)) {
      AppendEscape(out, next.code_point, !next.valid);
    } else {
      out += text.substr(0, next.length);
    }
    text.remove_prefix(next.length);
  }
  return out;
}

}  // namespace runner
