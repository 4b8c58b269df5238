#include "ingest/mcp/transport/http_head_parser.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <curl/curl.h>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/failure_text.h"

namespace runner::ingest {
namespace {

constexpr std::int64_t kLongestRetryAfter = 86'400;  // seconds
constexpr std::size_t kMaxSessionId = 1024;
constexpr std::size_t kMaxContentType = 128;

// Visible ASCII (MCP, Transports, "Session Management").
bool IsSessionId(std::string_view text) {
  return text.size() <= kMaxSessionId &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// Seconds or an HTTP date (RFC 9110, section 10.2.3).
std::optional<Duration> ParseRetryAfter(const std::string& value, WallTime now) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc::result_out_of_range && end == value.data() + value.size()) {
    seconds = value.front() == '-' ? 0 : kLongestRetryAfter;
  } else if (error != std::errc() || end != value.data() + value.size()) {
    const std::time_t date = ::curl_getdate(value.c_str(), nullptr);
    if (date < 0) return std::nullopt;
    seconds = date - std::chrono::system_clock::to_time_t(now);
  }
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kLongestRetryAfter));
}

}  // namespace

void HttpHeadParser::Line(std::string_view line, WallTime now) {
  if (line.starts_with("HTTP/")) {
    const bool cookies = sets_cookies_;  // those of an interim answer count as well
    *this = {};
    sets_cookies_ = cookies;
    if (const auto space = line.find(' '); space != std::string_view::npos) {
      std::from_chars(line.data() + space + 1, line.data() + line.size(), head_.status);
    }
    return;
  }
  if (Trim(line).empty()) {
    complete_ = head_.status >= 200;
    return;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = Lower(line.substr(0, colon));
  const std::string_view value = Trim(line.substr(colon + 1));
  if (name == "content-type") {
    head_.content_type =
        TruncateUtf8(SanitizeUtf8(Lower(Trim(value.substr(0, value.find(';'))))), kMaxContentType);
  } else if (name == "mcp-session-id") {
    head_.session_id = IsSessionId(value) ? value : std::string_view();
  } else if (name == "retry-after") {
    head_.retry_after = ParseRetryAfter(std::string(value), now);
  } else if (name == "location") {
    head_.location = ShownUrl(value);
  } else if (name == "set-cookie") {
    sets_cookies_ = true;
  } else if (name == "content-encoding") {
    encoded_ = Lower(value) != "identity";
  }
}

}  // namespace runner::ingest
