#include "common/base/address.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <sys/un.h>

namespace runner {
namespace {

constexpr std::string_view kUnixScheme = "unix:";

// inet_pton(3) stops at a NUL.
bool IsWholeCString(const std::string& text) { return text.find('\0') == std::string::npos; }

bool IsIpv4(const std::string& text) {
  in_addr parsed{};
  return IsWholeCString(text) && ::inet_pton(AF_INET, text.c_str(), &parsed) == 1;
}

bool IsIpv6(const std::string& text) {
  in6_addr parsed{};
  return IsWholeCString(text) && ::inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

// RFC 1123 names. A text of digits and dots alone must be an IPv4 address.
bool IsHostName(const std::string& text) {
  if (text.empty() || text.size() > 253 || text.front() == '.' || text.front() == '-') return false;
  const bool allowed = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
  return allowed && (text.find_first_not_of("0123456789.") != std::string::npos || IsIpv4(text));
}

std::optional<Address> ParseUnixPath(std::string_view path) {
  if (path.starts_with("//")) path.remove_prefix(2);
  if (!path.starts_with('/') || path.size() >= sizeof(sockaddr_un::sun_path)) return std::nullopt;
  if (path.find('\0') != std::string_view::npos) return std::nullopt;
  Address address;
  address.unix_path = path;
  return address;
}

}  // namespace

bool Address::IsLocal() const {
  if (!unix_path.empty() || host == "localhost" || host == "::1") return true;
  return IsIpv4(host) && host.starts_with("127.");
}

std::optional<Address> ParseAddress(std::string_view text) {
  if (text.starts_with(kUnixScheme)) return ParseUnixPath(text.substr(kUnixScheme.size()));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Address address;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  address.host = host;
  if (bracketed ? !IsIpv6(address.host) : !IsHostName(address.host)) return std::nullopt;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return address;
}

bool IsIpAddress(const std::string& text) { return IsIpv4(text) || IsIpv6(text); }

}  // namespace runner
