#include "ingest/mcp/endpoint_url.h"

#include <memory>

#include <curl/curl.h>
#include <strings.h>

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

}  // namespace

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
  const auto told = OriginOf(url);
  if (!own || !told || !Same(*own, *told) || Part(url, CURLUPART_USER) ||
      Part(url, CURLUPART_PASSWORD)) {
    return std::nullopt;
  }
  ::curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  return Part(url, CURLUPART_URL);
}

}  // namespace runner::ingest
