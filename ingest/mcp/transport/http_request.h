#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/security/tls_files.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

class CookieJar;

struct HttpRequest {
  std::string method;  // GET, POST, DELETE
  std::string url;
  HttpHeaders headers;
  std::string body;
  // Read for each connection, the CA file at most a minute late. Without `ca` the CAs of the system
  // are trusted.
  TlsFiles tls = {};
  std::shared_ptr<CookieJar> cookies = {};  // sent and filled; null: cookies are ignored
  // For the whole exchange; for a stream, until the head of the answer.
  Duration timeout = std::chrono::seconds(10);
  bool stream = false;                           // the body may be endless
  std::size_t max_body = std::size_t{16} << 20;  // bytes; not for streams
};

// Receives the answer, on the loop thread, never inside a call to HttpClient.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void OnHead(const HttpHead& head) = 0;
  virtual void OnBody(std::string_view bytes) = 0;
  // The last call. No failure: the answer was complete.
  virtual void OnDone(const std::optional<ConnectionFailure>& failure) = 0;
};

}  // namespace runner::ingest
