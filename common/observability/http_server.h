#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner {

struct HttpRequest {
  std::string path;   // as received, without the query
  std::string query;  // the text after `?`, as received

  // True if the query has this key, with or without a value: `?verbose`, `?a=1&verbose=1`.
  bool HasQuery(std::string_view key) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Runs on the thread of the server.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// A small HTTP/1.1 server for probes and scrapes: a fixed set of paths, GET and HEAD only (other
// methods get 405), no files, one request for each connection. A connection takes 8 KiB and two
// descriptors; a request head beyond 8 KiB is rejected. If there are too many connections, the
// oldest that has sent nothing is closed; if there is none, the oldest of the larger group: those
// with or those without a request.
//
// Threads: its own, which serves one request at a time; a slow client occupies no thread. Handlers
// must be thread-safe and outlive the server.
class HttpServer {
 public:
  struct Options {
    std::string bind_address = "127.0.0.1";  // an IPv4 or IPv6 address; `::` serves both
    std::uint16_t port = 0;                  // 0 picks a free port
    std::string option = {};                 // the option that sets the port, for error messages
    std::size_t max_connections = 64;        // one address may have three quarters of them
    // From accept(2) to the end of the request head; older connections are closed.
    Duration max_head_age = std::chrono::seconds(10);
    // From accept(2) to the end of the response: large scrapes over slow links take time.
    Duration max_connection_age = std::chrono::seconds(60);
    // Bound on all responses in transmission: above it the oldest are cut, but never the latest.
    std::size_t max_body_bytes = 64 * 1024 * 1024;
  };
  // For the log: a handler threw, and the client got 500. Runs on the thread of the server.
  using OnError = std::function<void(std::string_view path, std::string_view what)>;

  // Starts to listen. Throws std::runtime_error if that fails: the port is in use, or the address
  // does not belong to this machine.
  HttpServer(const Options& options, std::map<std::string, HttpHandler> routes, OnError on_error);
  // Waits for the running handler and closes all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runner
