#include "ingest/mcp/transport/http_options.h"

#include <cstdlib>
#include <new>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

#include "ingest/mcp/transport/cookie_jar.h"
#include "ingest/mcp/transport/proxy_environment.h"

namespace runner::ingest {
namespace {

// Bytes of the receive buffer of each stream: one thread may hold 10,000 streams.
constexpr long kStreamBuffer = 4096;
constexpr long kSmallestUploadBuffer = 16384;
constexpr long kFirstProbeSeconds = 30;
constexpr long kProbeIntervalSeconds = 10;
constexpr int kProbes = 3;
constexpr unsigned kUnacknowledgedMs = 60'000;
constexpr long kTrustedForSeconds = 60;

bool IsCookie(const std::string& name) { return ::strcasecmp(name.c_str(), "Cookie") == 0; }

CurlList Headers(const HttpRequest& request) {
  CurlList list;
  const auto add = [&list](const std::string& line) {
    curl_slist* const longer = ::curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
  };
  // A name with nothing behind the colon would remove a header of libcurl.
  for (const auto& [name, value] : request.headers) {
    if (IsCookie(name)) continue;
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  add("Expect:");  // libcurl would wait for a 100 Continue before a large body
  if (!request.stream) add("Connection: close");
  return list;
}

// A configured Cookie header is merged into one line with the cookies of the server (RFC 6265,
// section 5.4).
void SetCookies(CURL* easy, const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (IsCookie(name)) SetOption(easy, CURLOPT_COOKIE, value.c_str());
  }
  if (request.cookies) request.cookies->Attach(easy);
}

void SetTls(CURL* easy, const TlsFiles& tls) {
  SetOption(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // By default libcurl would trust the CA file that was replaced for another day.
  SetOption(easy, CURLOPT_CA_CACHE_TIMEOUT, kTrustedForSeconds);
  if (!tls.ca.empty()) {
    SetOption(easy, CURLOPT_CAINFO, tls.ca.c_str());
    // Instead of the system's CAs, not beside them.
    SetOption(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (!tls.certificate.empty()) SetOption(easy, CURLOPT_SSLCERT, tls.certificate.c_str());
  if (!tls.key.empty()) SetOption(easy, CURLOPT_SSLKEY, tls.key.c_str());
}

void SetProxy(CURL* easy, const std::string& url) {
  const std::string proxy = ProxyFor(url, [](const char* name) -> std::optional<std::string> {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  });
  // Both are always set: otherwise libcurl would read the environment by its own rules.
  SetOption(easy, CURLOPT_PROXY, proxy.c_str());
  SetOption(easy, CURLOPT_NOPROXY, "");
  // The default port of an HTTP proxy as in Go; for other proxies libcurl has the usual defaults.
  if (proxy.find("://") == std::string::npos || proxy.starts_with("http://")) {
    SetOption(easy, CURLOPT_PROXYPORT, 80L);
  }
  // The answer of a proxy to CONNECT is not the answer.
  SetOption(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // Headers for the server must not be sent to the proxy.
  SetOption(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
}

void SetLifetime(CURL* easy, const HttpRequest& request) {
  const long timeout_ms =
      static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(request.timeout).count());
  SetOption(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
  if (request.stream) {
    SetOption(easy, CURLOPT_BUFFERSIZE, kStreamBuffer);
    SetOption(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    SetOption(easy, CURLOPT_TCP_KEEPIDLE, kFirstProbeSeconds);
    SetOption(easy, CURLOPT_TCP_KEEPINTVL, kProbeIntervalSeconds);
  } else {
    SetOption(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
  }
  // 10,000 sessions would hold 20,000 sockets, half of them idle. The price is a connection for
  // each request, a few at the start of a session and one for each check after silence: a round
  // trip in plain text, over TLS a whole handshake of two, as sessions of TLS are not resumed.
  SetOption(easy, CURLOPT_FORBID_REUSE, 1L);
  // libcurl would search all connections to the same host for one to reuse.
  SetOption(easy, CURLOPT_FRESH_CONNECT, 1L);
  SetOption(easy, CURLOPT_UPLOAD_BUFFERSIZE, kSmallestUploadBuffer);
}

void SetMethod(CURL* easy, const HttpRequest& request) {
  if (request.method == "POST") {
    SetOption(easy, CURLOPT_POST, 1L);
    SetOption(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
    SetOption(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  } else if (request.method != "GET") {
    SetOption(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

}  // namespace

CurlList SetRequest(CURL* easy, const HttpRequest& request) {
  CurlList headers = Headers(request);
  SetOption(easy, CURLOPT_URL, request.url.c_str());
  SetOption(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  SetOption(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  SetOption(easy, CURLOPT_HTTPHEADER, headers.get());
  SetOption(easy, CURLOPT_FOLLOWLOCATION, 0L);
  SetOption(easy, CURLOPT_NOSIGNAL, 1L);
  SetOption(easy, CURLOPT_QUICK_EXIT, 1L);  // a name server that does not answer delays no exit
  SetCookies(easy, request);
  SetTls(easy, request.tls);
  SetProxy(easy, request.url);
  SetLifetime(easy, request);
  SetMethod(easy, request);
  return headers;
}

void WatchPeer(int socket) {
  // Where the kernel refuses one, the session's own checks remain.
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMs, sizeof kUnacknowledgedMs);
}

}  // namespace runner::ingest
