#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/mcp/event_source.h"

namespace runner::ingest {

// PEM files for a TLS connection, read anew for each one, the authorities at most a minute late.
struct TlsFiles {
  std::string ca;           // whom to trust instead of the authorities of the system; or empty
  std::string certificate;  // of the client, with its chain; or empty
  std::string key;          // of that certificate, without a passphrase

  bool operator==(const TlsFiles&) const = default;
};

struct HttpRequest {
  std::string method;  // GET, POST, DELETE
  std::string url;
  HttpHeaders headers;
  std::string body;
  TlsFiles tls = {};
  // For the whole exchange; for a stream, until the head of the answer has come.
  Duration timeout = std::chrono::seconds(10);
  bool stream = false;                           // the body may be endless
  std::size_t max_body = std::size_t{16} << 20;  // bytes; not for streams
};

// Told what comes back, on the loop thread, never from inside a call to HttpClient.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void OnHead(const HttpHead& head) = 0;
  virtual void OnBody(std::string_view bytes) = 0;
  // The last call. No failure: the answer was complete.
  virtual void OnDone(const std::optional<ConnectionFailure>& failure) = 0;
};

}  // namespace runner::ingest
