#include "common/http_server.h"

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>

#include <civetweb.h>
#include <netdb.h>
#include <sys/socket.h>

#include "common/listen_problem.h"
#include "common/mutex.h"
#include "common/unique_fd.h"

namespace runner {
namespace {

std::string ListeningPort(const HttpServer::Options& options) {
  const bool ipv6 = options.bind_address.find(':') != std::string::npos;
  const std::string host = ipv6 ? '[' + options.bind_address + ']' : options.bind_address;
  return host + ':' + std::to_string(options.port);
}

// The library counts its users, but not safely between threads: servers are built and destroyed by
// one thread, as main does.
class LibraryUse {
 public:
  LibraryUse() { ::mg_init_library(MG_FEATURES_DEFAULT); }
  ~LibraryUse() { ::mg_exit_library(); }
  LibraryUse(const LibraryUse&) = delete;
  LibraryUse& operator=(const LibraryUse&) = delete;
};

void Send(mg_connection* connection, const HttpResponse& response, bool with_body,
          const std::string& extra_header = {}) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ' +
                    ::mg_get_response_code_text(connection, response.status) +
                    "\r\nContent-Type: " + response.content_type +
                    "\r\nContent-Length: " + std::to_string(response.body.size()) +
                    "\r\nCache-Control: no-store\r\nConnection: close\r\n" + extra_header + "\r\n";
  if (with_body) out += response.body;
  ::mg_write(connection, out.data(), out.size());
}

// Connects and hangs up.
void KnockOnce(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return;
  const UniqueFd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Whether it is let in does not matter: the attempt wakes the listener.
  if (fd) static_cast<void>(::connect(fd.Get(), found->ai_addr, found->ai_addrlen));
  ::freeaddrinfo(found);
}

// Knocks every few milliseconds for as long as it lives.
class Knocker {
 public:
  Knocker(std::string host, std::uint16_t port)
      : thread_([this, host = std::move(host), port] {
          const MutexLock lock(mutex_);
          while (!stopped_) {
            KnockOnce(host, port);
            changed_.WaitFor(mutex_, std::chrono::milliseconds(5));
          }
        }) {}
  ~Knocker() {
    {
      const MutexLock lock(mutex_);
      stopped_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }
  Knocker(const Knocker&) = delete;
  Knocker& operator=(const Knocker&) = delete;

 private:
  Mutex mutex_;
  Condition changed_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

bool HttpRequest::HasQuery(std::string_view key) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    if (pair.substr(0, pair.find('=')) == key) return true;
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
  }
  return false;
}

class HttpServer::Impl {
 public:
  Impl(const Options& options, std::map<std::string, HttpHandler> routes, OnError on_error)
      : routes_(std::move(routes)), on_error_(std::move(on_error)) {
    const std::string listening_port = ListeningPort(options);
    const std::string threads = std::to_string(options.threads);
    const std::string timeout = std::to_string(
        std::chrono::duration_cast<std::chrono::milliseconds>(options.request_timeout).count());
    // No document root: there is no file to serve.
    std::array<const char*, 9> settings = {"listening_ports",
                                           listening_port.c_str(),
                                           "num_threads",
                                           threads.c_str(),
                                           "request_timeout_ms",
                                           timeout.c_str(),
                                           "enable_keep_alive",
                                           "no",
                                           nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = &Impl::BeginRequest;
    callbacks.log_message = &Impl::IgnoreMessage;
    mg_init_data init{&callbacks, this, settings.data()};
    unsigned code = 0;
    std::array<char, 256> text{};
    mg_error_data error{&code, text.data(), text.size()};
    context_ = ::mg_start2(&init, &error);
    if (context_ == nullptr) {
      throw std::runtime_error(
          ListenProblem(options.option, options.bind_address, options.port,
                        std::string(text.data()) + "; choose another port, or an IPv4 address"));
    }
    mg_server_port bound{};
    ::mg_get_server_ports(context_, 1, &bound);
    port_ = static_cast<std::uint16_t>(bound.port);
    host_ = options.bind_address == "0.0.0.0" ? "127.0.0.1"
            : options.bind_address == "::"    ? "::1"
                                              : options.bind_address;
  }

  // The library looks at its stop flag only every two seconds, or when a connection comes: one is
  // made, again and again, until it has seen the flag.
  ~Impl() {
    const Knocker knocker(host_, port_);
    ::mg_stop(context_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  static int IgnoreMessage(const mg_connection*, const char*) { return 1; }

  // What the library calls for each request. Not 0: the request is answered.
  static int BeginRequest(mg_connection* connection) noexcept {
    const mg_request_info* info = ::mg_get_request_info(connection);
    try {
      static_cast<Impl*>(info->user_data)->Serve(connection, *info);
    } catch (...) {  // out of memory: the connection is closed without an answer
    }
    return 1;
  }

  void Serve(mg_connection* connection, const mg_request_info& info) {
    const std::string_view method = info.request_method;
    const HttpRequest request{info.local_uri == nullptr ? "" : info.local_uri,
                              info.query_string == nullptr ? "" : info.query_string};
    const bool with_body = method != "HEAD";
    const auto route = routes_.find(request.path);
    if (route == routes_.end()) {
      Send(connection, {.status = 404, .body = "not found\n"}, with_body);
    } else if (method != "GET" && method != "HEAD") {
      Send(connection, {.status = 405, .body = "method not allowed\n"}, with_body,
           "Allow: GET, HEAD\r\n");
    } else {
      Send(connection, Handle(route->second, request), with_body);
    }
  }

  HttpResponse Handle(const HttpHandler& handler, const HttpRequest& request) {
    std::string what = "unknown exception";
    try {
      return handler(request);
    } catch (const std::exception& error) {
      what = error.what();
    } catch (...) {
    }
    if (on_error_) on_error_(request.path, what);
    return {.status = 500, .body = "internal error\n"};
  }

  const LibraryUse library_;
  const std::map<std::string, HttpHandler> routes_;
  const OnError on_error_;
  mg_context* context_ = nullptr;
  std::uint16_t port_ = 0;
  std::string host_;  // where a connection to ourselves goes
};

HttpServer::HttpServer(const Options& options, std::map<std::string, HttpHandler> routes,
                       OnError on_error)
    : impl_(std::make_unique<Impl>(options, std::move(routes), std::move(on_error))) {}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return impl_->port(); }

}  // namespace runner
