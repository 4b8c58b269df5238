#include "ingest/mcp/proxy_environment.h"

#include <algorithm>
#include <string_view>

#include <arpa/inet.h>
#include <strings.h>

namespace runner::ingest {
namespace {

// Of a URL without a user, which configured endpoints never have.
std::string HostOf(std::string_view url) {
  const auto scheme = url.find("://");
  std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (rest.starts_with('[')) return std::string(rest.substr(1, rest.find(']') - 1));
  return std::string(rest.substr(0, rest.find(':')));
}

bool IsThisMachine(const std::string& host) {
  if (::strcasecmp(host.c_str(), "localhost") == 0) return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

std::optional<std::string> ProxyFor(const std::string& url, const ProxyLookup& environment) {
  if (IsThisMachine(HostOf(url))) return "";
  if (!url.starts_with("http://")) return std::nullopt;
  // A variable that is set and empty counts as not set, as it does for libcurl.
  if (!environment("http_proxy").value_or("").empty()) return std::nullopt;
  const auto upper = environment("HTTP_PROXY");
  return upper && !upper->empty() ? upper : std::nullopt;
}

}  // namespace runner::ingest
