#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace runner {

struct HttpRequest {
  std::string path;   // decoded, without the query
  std::string query;  // what follows the `?`, as sent

  // Whether the query has this key, with or without a value: `?verbose`, `?a=1&verbose=1`.
  bool HasQuery(std::string_view key) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Runs on a thread of the server, several at a time.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// A small HTTP/1.1 server for probes and scrapes: a fixed set of paths, GET and HEAD only (others
// get 405), no files. Each request has a connection of its own.
//
// Threads: has its own; a client that is slow holds one of them until the request timeout. Handlers
// must be thread-safe and outlive the server.
class HttpServer {
 public:
  struct Options {
    std::string bind_address = "127.0.0.1";  // an IPv4 or IPv6 address
    std::uint16_t port = 0;                  // 0 picks a free one
    std::string option = {};                 // what sets the port, for an error
    int threads = 16;
    Duration request_timeout = std::chrono::seconds(1);
  };
  // A handler threw: the client got 500, this is for the log. Runs on a thread of the server.
  using OnError = std::function<void(std::string_view path, std::string_view what)>;

  // Listens at once. Throws std::runtime_error when it cannot: the port is taken, the address is
  // not of this machine.
  HttpServer(const Options& options, std::map<std::string, HttpHandler> routes, OnError on_error);
  // Waits for the requests that are being served.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runner
