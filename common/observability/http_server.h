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
  std::string path;   // as sent, without the query
  std::string query;  // what follows the `?`, as sent

  // Whether the query has this key, with or without a value: `?verbose`, `?a=1&verbose=1`.
  bool HasQuery(std::string_view key) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Runs on the thread of the server.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// A small HTTP/1.1 server for probes and scrapes: a fixed set of paths, GET and HEAD only (others
// get 405), no files. Each request has a connection of its own. A connection takes 8 KiB and two
// descriptors; a request head beyond 8 KiB is refused. When there are too many connections, the
// oldest is closed: one that has sent nothing, or else of those with or without a request,
// whichever are more.
//
// Threads: has one, which serves one request at a time; waiting for a client takes no thread.
// Handlers must be thread-safe and outlive the server.
class HttpServer {
 public:
  struct Options {
    std::string bind_address = "127.0.0.1";  // an IPv4 or IPv6 address; `::` serves both
    std::uint16_t port = 0;                  // 0 picks a free one
    std::string option = {};                 // what sets the port, for an error
    std::size_t max_connections = 64;        // one address may have three quarters of them
    // From accept(2) to the end of the head of the request; then the connection is closed.
    Duration max_head_age = std::chrono::seconds(10);
    // From accept(2) to the end of the response: large scrapes over slow links take time.
    Duration max_connection_age = std::chrono::seconds(60);
    // Of all responses that are being sent: beyond it the oldest are cut, but never the latest.
    std::size_t max_body_bytes = 64 * 1024 * 1024;
  };
  // A handler threw: the client got 500, this is for the log. Runs on the thread of the server.
  using OnError = std::function<void(std::string_view path, std::string_view what)>;

  // Listens at once. Throws std::runtime_error when it cannot: the port is taken, the address is
  // not of this machine.
  HttpServer(const Options& options, std::map<std::string, HttpHandler> routes, OnError on_error);
  // Waits for the handler that runs, and closes all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runner
