#include "tools/faultsim/http_request.h"

#include <algorithm>
#include <charconv>

namespace runner::faultsim {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The path of a request target in origin form or, as proxies receive it, in absolute form (RFC
// 9112, section 3.2). Empty for other forms.
std::string_view PathOf(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    target.remove_prefix(kScheme.size());
    target.remove_prefix(std::min(target.find('/'), target.size()));
    if (target.empty()) return "/";
  }
  return target.starts_with('/') ? target.substr(0, target.find('?')) : std::string_view();
}

bool IsToken(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::optional<std::string_view> HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<HttpRequest> RequestParser::Next() {
  if (error_) return std::nullopt;
  if (!request_) {
    const auto end = buffer_.find(kHeadEnd, scanned_);
    if (end == std::string::npos) {
      if (buffer_.size() > kMaxHeadBytes) return Fail(431, "request head too large");
      scanned_ = buffer_.size() < kHeadEnd.size() ? 0 : buffer_.size() - kHeadEnd.size() + 1;
      return std::nullopt;
    }
    if (end > kMaxHeadBytes) return Fail(431, "request head too large");
    if (!ParseHead(end)) return std::nullopt;
    buffer_.erase(0, end + kHeadEnd.size());
    scanned_ = 0;
  }
  if (buffer_.size() < body_bytes_) return std::nullopt;
  HttpRequest request = std::move(*request_);
  request_.reset();
  request.body = buffer_.substr(0, body_bytes_);
  buffer_.erase(0, body_bytes_);
  return request;
}

std::nullopt_t RequestParser::Fail(int status, std::string_view what) {
  error_ = Error{status, what};
  request_.reset();
  buffer_.clear();
  return std::nullopt;
}

bool RequestParser::ParseHead(std::size_t end) {
  request_.emplace();
  std::string_view head(buffer_.data(), end);
  bool first = true;
  for (;;) {
    const auto at = head.find(kLineEnd);
    const std::string_view line = head.substr(0, at);
    if (!(first ? ParseRequestLine(line) : ParseHeaderLine(line))) return false;
    first = false;
    if (at == std::string_view::npos) break;
    head.remove_prefix(at + kLineEnd.size());
  }
  return ParseFraming();
}

bool RequestParser::ParseRequestLine(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    Fail(400, "malformed request line");
    return false;
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!IsToken(method) || PathOf(target).empty() || target.find(' ') != std::string_view::npos) {
    Fail(400, "malformed request line");
    return false;
  }
  if (line.substr(last + 1) != "HTTP/1.1") {
    Fail(505, "unsupported HTTP version; expected HTTP/1.1");
    return false;
  }
  request_->method = method;
  request_->path = PathOf(target);
  return true;
}

bool RequestParser::ParseHeaderLine(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
    Fail(400, "malformed header");
    return false;
  }
  request_->headers.emplace_back(Lower(line.substr(0, colon)), Trim(line.substr(colon + 1)));
  return true;
}

bool RequestParser::ParseFraming() {
  body_bytes_ = 0;
  if (request_->Header("transfer-encoding")) {
    Fail(501, "missing Content-Length");
    return false;
  }
  bool seen = false;
  for (const auto& [name, value] : request_->headers) {
    if (name != "content-length") continue;
    std::size_t bytes = 0;
    const auto [rest, code] = std::from_chars(value.data(), value.data() + value.size(), bytes);
    if (rest != value.data() + value.size() || (seen && bytes != body_bytes_) ||
        code == std::errc::invalid_argument) {
      Fail(400, "malformed Content-Length");
      return false;
    }
    if (code != std::errc{} || bytes > kMaxBodyBytes) {
      Fail(413, "request body too large");
      return false;
    }
    body_bytes_ = bytes;
    seen = true;
  }
  return true;
}

}  // namespace runner::faultsim
