#include "ingest/mcp/transport/endpoint_url.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include <curl/curl.h>
#include <strings.h>

#include "common/base/address.h"
#include "common/base/values.h"

namespace runner::ingest {
namespace {

constexpr std::size_t kMaxReference = std::size_t{8} << 10;

struct FreeUrl {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

std::optional<std::string> Part(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return std::nullopt;
  std::string copy(text);
  ::curl_free(text);
  return copy;
}

struct Origin {
  std::string scheme, host, port;
};

std::optional<Origin> OriginOf(const Url& url) {
  const auto scheme = Part(url, CURLUPART_SCHEME);
  const auto host = Part(url, CURLUPART_HOST);
  const auto port = Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!scheme || !host || !port) return std::nullopt;
  return Origin{*scheme, *host, *port};
}

bool Same(const Origin& a, const Origin& b) {
  return a.scheme == b.scheme && a.port == b.port &&
         ::strcasecmp(a.host.c_str(), b.host.c_str()) == 0;
}

constexpr std::string_view kExpected = "; expected a URL such as http://host:8080/mcp";

// A URL, valid or not, without its user and query.
std::string Quoted(std::string_view url) {
  const std::string_view place = url.substr(0, url.find_first_of("?#"));
  return place.find('@') == std::string_view::npos ? QuoteValue(place) : "it";
}

bool IsBlankOrControl(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }

// What precedes "; expected". `authority`: between the scheme and the path.
std::optional<std::string> ValidateAuthority(std::string_view authority) {
  std::string_view host = authority;
  std::optional<std::string_view> port;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return "has an IPv6 address without its ]";
    host = authority.substr(1, end - 1);
    if (!IsIpAddress(std::string(host)) || host.find(':') == std::string_view::npos) {
      return "has no IPv6 address between [ and ]";
    }
    authority.remove_prefix(end + 1);
    if (authority.starts_with(':')) port = authority.substr(1);
    if (!port && !authority.empty()) return "has something other than a port after the ]";
  } else if (const auto colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
    if (port->find(':') != std::string_view::npos) {
      return "has more than one colon in host and port (an IPv6 address is written in [])";
    }
  }
  if (host.empty()) return "names no host";
  constexpr std::string_view kNotInHosts = "\"$%&'()*+,;<=>\\^`{|}!~[]";
  if (host.find_first_of(kNotInHosts) != std::string_view::npos) return "names no valid host";
  const auto number = port ? ParseInteger(*port) : std::optional<std::int64_t>(1);
  const bool digits = !port || port->find_first_not_of("0123456789") == std::string_view::npos;
  if (!number || !digits || *number < 1 || *number > 65'535) {
    return "has no valid port (1 to 65535)";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ValidateEndpoint(const std::string& endpoint) {
  const auto problem = [&](const std::string& what) {
    return Quoted(endpoint) + ' ' + what + std::string(kExpected);
  };
  if (endpoint.empty()) return problem("is empty");
  const auto scheme = endpoint.find("://");
  const std::string_view rest =
      std::string_view(endpoint).substr(scheme == std::string::npos ? 0 : scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  // A password would be shown wherever the endpoint is.
  if (authority.find('@') != std::string_view::npos) {
    return "the URL contains a user name or password; expected a token file or a header";
  }
  if (std::any_of(endpoint.begin(), endpoint.end(), IsBlankOrControl)) {
    return problem("holds white space or a control character");
  }
  if (scheme == std::string::npos)
    return problem("has no scheme: it is not a URL of http or https");
  const std::string word = endpoint.substr(0, scheme);
  if (::strcasecmp(word.c_str(), "http") != 0 && ::strcasecmp(word.c_str(), "https") != 0) {
    return problem("is not a URL of http or https");
  }
  if (const auto wrong = ValidateAuthority(authority)) return problem(*wrong);
  const Url url(::curl_url());
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, endpoint.c_str(), 0) != CURLUE_OK) {
    return problem("is not a URL");
  }
  return std::nullopt;
}

std::optional<std::string> ResolveEndpoint(const std::string& base, std::string_view reference) {
  if (reference.empty() || reference.size() > kMaxReference) return std::nullopt;
  // libcurl would read no further than that.
  if (reference.find('\0') != std::string_view::npos) return std::nullopt;
  const Url url(::curl_url());
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) {
    return std::nullopt;
  }
  const auto own = OriginOf(url);
  if (::curl_url_set(url.get(), CURLUPART_URL, std::string(reference).c_str(), 0) != CURLUE_OK) {
    return std::nullopt;
  }
  const auto named = OriginOf(url);
  if (!own || !named || !Same(*own, *named) || Part(url, CURLUPART_USER) ||
      Part(url, CURLUPART_PASSWORD)) {
    return std::nullopt;
  }
  ::curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  return Part(url, CURLUPART_URL);
}

}  // namespace runner::ingest
