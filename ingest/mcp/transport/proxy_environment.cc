#include "ingest/mcp/transport/proxy_environment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <curl/curl.h>

#include "common/base/values.h"

namespace runner::ingest {
namespace {

// An IPv4 address stands as the IPv6 address that maps it, as in Go.
using IpAddress = std::array<std::uint8_t, 16>;
constexpr std::size_t kMappedBytes = 12;
constexpr IpAddress kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};

struct Target {
  std::string host;  // lower case, without brackets
  std::string port;
  std::optional<IpAddress> ip;
  bool https = false;
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

std::optional<IpAddress> ParseIp(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;
  IpAddress ip = kMapped;
  if (::inet_pton(AF_INET, text.c_str(), ip.data() + kMappedBytes) == 1) return ip;
  if (::inet_pton(AF_INET6, text.c_str(), ip.data()) == 1) return ip;
  return std::nullopt;
}

bool IsMapped(const IpAddress& ip) {
  return std::equal(ip.begin(), ip.begin() + kMappedBytes, kMapped.begin());
}

bool IsThisMachine(const Target& target) {
  if (!target.ip) return target.host == "localhost";
  if (IsMapped(*target.ip)) return (*target.ip)[kMappedBytes] == 127;
  IpAddress loopback{};
  loopback.back() = 1;
  return *target.ip == loopback;
}

bool InRange(const IpAddress& ip, const IpAddress& range, std::size_t bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(ip.begin(), ip.begin() + static_cast<std::ptrdiff_t>(whole), range.begin())) {
    return false;
  }
  const std::size_t rest = bits % 8;
  return rest == 0 || (ip[whole] ^ range[whole]) >> (8 - rest) == 0;
}

// Splits `host:port` or `[host]:port`; what has no port, or more than one colon, is all host.
std::pair<std::string, std::string> SplitHostPort(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {text, ""};
  std::string host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string::npos) return {text, ""};
  return {host, text.substr(colon + 1)};
}

// Nothing: `text` is no range.
std::optional<bool> MatchesRange(const std::string& text, const Target& target) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto range = ParseIp(text.substr(0, slash));
  std::size_t bits = 0;
  const auto [end, error] =
      std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
  if (!range || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const bool v4 = text.find(':') == std::string::npos;
  if (bits > (v4 ? 32U : 128U)) return std::nullopt;
  if (!target.ip || IsMapped(*target.ip) != v4) return false;
  return InRange(*target.ip, *range, v4 ? kMappedBytes * 8 + bits : bits);
}

// `entry`: trimmed, in lower case, not empty.
bool Matches(const std::string& entry, const Target& target) {
  if (entry == "*") return true;
  if (const auto range = MatchesRange(entry, target)) return *range;
  auto [host, port] = SplitHostPort(entry);
  if (host.empty() || (!port.empty() && port != target.port)) return false;
  if (const auto ip = ParseIp(host)) return target.ip == ip;
  if (target.ip) return false;
  if (host.starts_with("*.")) host.erase(0, 1);
  if (host.front() == '.') return target.host.ends_with(host);
  return target.host == host || target.host.ends_with('.' + host);
}

bool IsExcepted(std::string_view list, const Target& target) {
  while (!list.empty()) {
    const std::string entry = Lower(TrimBlank(list.substr(0, list.find(','))));
    list.remove_prefix(std::min(list.find(','), list.size() - 1) + 1);
    if (!entry.empty() && Matches(entry, target)) return true;
  }
  return false;
}

// Of a URL without a user, which configured endpoints never have.
Target TargetOf(std::string_view url) {
  const bool https = Lower(url.substr(0, 8)) == "https://";
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
  }
  auto [host, port] = SplitHostPort(std::string(url.substr(0, url.find_first_of("/?#"))));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (port.empty()) port = https ? "443" : "80";
  return {Lower(host), port, ParseIp(host), https};
}

struct Variable {
  const char* name = "";
  std::string value;
};

Variable FirstSet(const ProxyLookup& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::string value(TrimBlank(environment(name).value_or("")));
    if (!value.empty()) return {name, std::move(value)};
  }
  return {};
}

// Empty: the server is reached directly.
Variable Choose(const std::string& url, const ProxyLookup& environment) {
  const Target target = TargetOf(url);
  if (IsThisMachine(target)) return {};
  Variable proxy =
      target.https ? FirstSet(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
                   : FirstSet(environment, {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  if (proxy.value.empty()) return {};
  if (IsExcepted(FirstSet(environment, {"NO_PROXY", "no_proxy"}).value, target)) return {};
  return proxy;
}

bool IsProxy(const std::string& value) {
  constexpr std::array<std::string_view, 6> kSchemes = {"http",    "https",  "socks4",
                                                        "socks4a", "socks5", "socks5h"};
  const auto end = value.find("://");
  const std::string scheme = end == std::string::npos ? "http" : Lower(value.substr(0, end));
  if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end()) return false;
  const std::string url = end == std::string::npos ? "http://" + value : value;
  const std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> parsed(::curl_url(),
                                                                     &::curl_url_cleanup);
  return parsed && ::curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(),
                                  CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
}

}  // namespace

std::string ProxyFor(const std::string& url, const ProxyLookup& environment) {
  return Choose(url, environment).value;
}

std::optional<std::string> ValidateProxyFor(const std::string& url,
                                            const ProxyLookup& environment) {
  const Variable proxy = Choose(url, environment);
  if (proxy.value.empty() || IsProxy(proxy.value)) return std::nullopt;
  const bool may_hold_password = proxy.value.find('@') != std::string::npos;
  return std::string(proxy.name) + ": " +
         (may_hold_password ? "the value" : QuoteValue(proxy.value)) +
         " is not the URL of a proxy; expected http://host:port, https://host:port or "
         "socks5h://host:port";
}

}  // namespace runner::ingest
