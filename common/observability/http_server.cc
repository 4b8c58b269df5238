#include "common/observability/http_server.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include <microhttpd.h>
#include <sys/epoll.h>

#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"
#include "common/net/listener.h"

namespace runner {
namespace {

// Memory of one connection, for the heads of the request and the response.
constexpr std::size_t kConnectionBytes = 8 * 1024;
// Bytes of a body that are copied at a time.
constexpr std::size_t kBlockBytes = 32 * 1024;

struct StopDaemon {
  void operator()(MHD_Daemon* daemon) const { ::MHD_stop_daemon(daemon); }
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
      : max_head_age_(options.max_head_age),
        max_body_bytes_(options.max_body_bytes),
        routes_(std::move(routes)),
        on_error_(std::move(on_error)),
        loop_(clock_),
        listener_(loop_, ListenOn({options.bind_address, options.port, {}}, options.option),
                  {.limits = {.connections = options.max_connections,
                              .per_address = options.max_connections * 3 / 4},
                   .max_age = options.max_connection_age,
                   .serves = [this](Listener::Id id, int) { return !without_head_.contains(id); }},
                  [this](Listener::Id id, UniqueFd& fd) { return Add(id, fd); }) {
    // Without an internal thread: the event loop polls, and accepts connections for the library.
    daemon_.reset(::MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, nullptr, nullptr, &Impl::Answer, this,  //
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytes,                                //
        MHD_OPTION_URI_LOG_CALLBACK, &Impl::KeepTarget, nullptr,                             //
        MHD_OPTION_NOTIFY_COMPLETED, &Impl::DropTarget, nullptr,                             //
        MHD_OPTION_NOTIFY_CONNECTION, &Impl::OnConnectionChange, this, MHD_OPTION_END));
    if (!daemon_) throw std::runtime_error("cannot start the HTTP server");
    const int epoll = ::MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    loop_.Watch(epoll, EPOLLIN, [this](std::uint32_t) { Serve(); });
    thread_ = std::thread([this] { loop_.Run(); });
  }

  ~Impl() {
    loop_.Stop();
    thread_.join();
    daemon_.reset();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint16_t port() const { return listener_.port(); }

 private:
  bool Add(Listener::Id id, UniqueFd& fd) {
    const sockaddr unspecified{AF_UNSPEC, {}};
    adding_ = id;
    // The library closes the descriptor even on failure.
    if (::MHD_add_connection(daemon_.get(), fd.Release(), &unspecified, sizeof unspecified) !=
        MHD_YES) {
      listener_.Closed(id);
      return true;
    }
    without_head_.emplace(id, loop_.Now().mono);
    if (head_timer_ == EventLoop::kNoTimer) CutSlowHeads();
    return true;
  }

  void CutSlowHeads() {
    head_timer_ = EventLoop::kNoTimer;
    const MonoTime now = loop_.Now().mono;
    while (!without_head_.empty()) {
      const auto [id, since] = *without_head_.begin();
      if (since + max_head_age_ > now) {
        head_timer_ = loop_.At(since + max_head_age_, [this] { CutSlowHeads(); });
        return;
      }
      without_head_.erase(id);
      listener_.Cut(id);
    }
  }

  void Serve() {
    ::MHD_run(daemon_.get());
    MHD_UNSIGNED_LONG_LONG milliseconds = 0;
    // The library has no connection timeouts here, so a timeout means that data is already
    // available.
    if (::MHD_get_timeout(daemon_.get(), &milliseconds) == MHD_YES) loop_.Post([this] { Serve(); });
  }

  static void OnConnectionChange(void* self, MHD_Connection* connection, void**,
                                 MHD_ConnectionNotificationCode code) noexcept {
    auto* server = static_cast<Impl*>(self);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      try {
        server->ids_[connection] = server->adding_;
      } catch (...) {  // out of memory: the listener closes the connection at its maximal age
      }
    } else if (const auto found = server->ids_.find(connection); found != server->ids_.end()) {
      server->without_head_.erase(found->second);
      server->listener_.Closed(found->second);
      server->ids_.erase(found);
    }
  }

  // The library calls it with the target of a request before it splits and decodes the target.
  static void* KeepTarget(void*, const char* target, MHD_Connection*) noexcept {
    try {
      return new std::string(target);
    } catch (...) {
      return nullptr;
    }
  }
  static void DropTarget(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
    delete static_cast<std::string*>(*context);
    *context = nullptr;
  }

  // The library calls it when the head of a request is complete. MHD_NO closes the connection
  // without a response.
  static MHD_Result Answer(void* self, MHD_Connection* connection, const char*, const char* method,
                           const char*, const char*, std::size_t*, void** context) noexcept {
    if (*context == nullptr) return MHD_NO;
    auto* server = static_cast<Impl*>(self);
    if (const auto found = server->ids_.find(connection); found != server->ids_.end()) {
      server->without_head_.erase(found->second);
    }
    try {
      return server->Respond(connection, method, *static_cast<const std::string*>(*context));
    } catch (...) {  // out of memory
      return MHD_NO;
    }
  }

  // A body in transmission.
  struct Body {
    Impl* server;
    Listener::Id connection;
    std::string text;
    std::list<Body>::iterator self = {};
  };

  MHD_Result Send(MHD_Connection* connection, HttpResponse response, bool allow = false) {
    const auto found = ids_.find(connection);
    const Listener::Id id = found == ids_.end() ? 0 : found->second;
    const auto body = bodies_.insert(bodies_.end(), {this, id, std::move(response.body)});
    body->self = body;
    body_bytes_ += body->text.size();
    BoundBodies();
    const std::unique_ptr<MHD_Response, decltype(&::MHD_destroy_response)> out(
        ::MHD_create_response_from_callback(body->text.size(), kBlockBytes, &Impl::ReadBody, &*body,
                                            &Impl::EndBody),
        &::MHD_destroy_response);
    if (!out) {
      EndBody(&*body);
      return MHD_NO;
    }
    ::MHD_add_response_header(out.get(), "Content-Type", response.content_type.c_str());
    ::MHD_add_response_header(out.get(), "Cache-Control", "no-store");
    ::MHD_add_response_header(out.get(), "Connection", "close");
    if (allow) ::MHD_add_response_header(out.get(), "Allow", "GET, HEAD");
    return ::MHD_queue_response(connection, static_cast<unsigned>(response.status), out.get());
  }

  // Cuts the connections whose responses have been in transmission longest; never the latest.
  void BoundBodies() {
    for (auto oldest = bodies_.begin(); body_bytes_ > max_body_bytes_; ++oldest) {
      if (std::next(oldest) == bodies_.end()) return;
      if (oldest->text.empty()) continue;
      body_bytes_ -= oldest->text.size();
      std::string().swap(oldest->text);  // the library keeps the body until the connection ends
      listener_.Cut(oldest->connection);
    }
  }

  // The library calls it for the bytes from `position` on.
  static ssize_t ReadBody(void* body, std::uint64_t position, char* buffer, std::size_t size) {
    const std::string& text = static_cast<const Body*>(body)->text;
    // BoundBodies has cut it
    if (position >= text.size()) return MHD_CONTENT_READER_END_WITH_ERROR;
    return static_cast<ssize_t>(text.copy(buffer, size, position));
  }
  static void EndBody(void* ended) {
    auto* body = static_cast<Body*>(ended);
    body->server->body_bytes_ -= body->text.size();
    body->server->bodies_.erase(body->self);
  }

  MHD_Result Respond(MHD_Connection* connection, std::string_view method,
                     const std::string& target) {
    const std::size_t mark = std::min(target.find('?'), target.size());
    const HttpRequest request{target.substr(0, mark),
                              target.substr(std::min(mark + 1, target.size()))};
    const auto route = routes_.find(request.path);
    if (route == routes_.end()) {
      return Send(connection, {.status = 404, .body = "not found\n"});
    }
    if (method != "GET" && method != "HEAD") {
      return Send(connection, {.status = 405, .body = "method not allowed\n"}, true);
    }
    return Send(connection, Handle(route->second, request));
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

  const Duration max_head_age_;
  const std::size_t max_body_bytes_;
  const std::map<std::string, HttpHandler> routes_;
  const OnError on_error_;
  const SystemClock clock_;
  EventLoop loop_;
  Listener listener_;
  Listener::Id adding_ = 0;  // the connection that is being passed to the library
  std::unordered_map<const MHD_Connection*, Listener::Id> ids_;
  std::map<Listener::Id, MonoTime> without_head_;  // with the time of acceptance, oldest first
  EventLoop::TimerId head_timer_ = EventLoop::kNoTimer;
  std::list<Body> bodies_;  // oldest first
  std::size_t body_bytes_ = 0;
  std::unique_ptr<MHD_Daemon, StopDaemon> daemon_;  // last: its destructor calls back
  std::thread thread_;
};

HttpServer::HttpServer(const Options& options, std::map<std::string, HttpHandler> routes,
                       OnError on_error)
    : impl_(std::make_unique<Impl>(options, std::move(routes), std::move(on_error))) {}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return impl_->port(); }

}  // namespace runner
