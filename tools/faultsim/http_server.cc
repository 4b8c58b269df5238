#include "tools/faultsim/http_server.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace runner::faultsim {
namespace {

using namespace std::chrono_literals;

constexpr auto kRetryAccept = 100ms;
constexpr auto kLinger = 1s;
constexpr int kAcceptsPerTurn = 64;

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

struct HttpServer::Connection {
  std::size_t Unsent() const { return out.size() - sent; }

  UniqueFd fd;
  RequestParser parser;
  std::string out;
  std::size_t sent = 0;
  std::uint32_t interest = 0;
  bool streaming = false;
  bool closing = false;    // ends when everything is sent
  bool ended = false;      // the peer sends nothing more
  bool lingering = false;  // all is sent, the peer is to close
  bool congested = false;
  Inbox::TimerId linger = Inbox::kNoTimer;
};

HttpServer::HttpServer(Inbox& inbox, UniqueFd listener)
    : inbox_(inbox), listener_(std::move(listener)) {}

HttpServer::~HttpServer() {
  if (accepting_) inbox_.Unwatch(listener_.Get());
  inbox_.Cancel(resume_);
  for (const auto& [id, connection] : connections_) {
    inbox_.Cancel(connection->linger);
    inbox_.Unwatch(connection->fd.Get());
  }
}

void HttpServer::Serve(HttpHandler& handler) {
  handler_ = &handler;
  ResumeAccepting();
}

void HttpServer::ResumeAccepting() {
  inbox_.Cancel(std::exchange(resume_, Inbox::kNoTimer));
  if (std::exchange(accepting_, true)) return;
  inbox_.Watch(listener_.Get(), EPOLLIN, [this](std::uint32_t) { Accept(); });
}

void HttpServer::PauseAccepting() {
  if (std::exchange(accepting_, false)) inbox_.Unwatch(listener_.Get());
}

void HttpServer::Accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (connections_.size() >= kMaxConnections) return PauseAccepting();
    UniqueFd fd(::accept4(listener_.Get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      Add(std::move(fd));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      PauseAccepting();
      resume_ = inbox_.After(kRetryAccept, [this] { ResumeAccepting(); });
      return;
    } else if (errno != ECONNABORTED && errno != EINTR) {
      return;
    }
  }
}

void HttpServer::Add(UniqueFd fd) {
  const int one = 1;
  ::setsockopt(fd.Get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const ConnectionId id = next_id_++;
  auto connection = std::make_unique<Connection>();
  connection->fd = std::move(fd);
  UpdateInterest(id, *connection);
  connections_.emplace(id, std::move(connection));
}

void HttpServer::UpdateInterest(ConnectionId id, Connection& connection) {
  const bool congested = connection.streaming && connection.Unsent() > kMaxUnsent;
  if (congested != connection.congested) {
    connection.congested = congested;
    congested ? ++congested_ : --congested_;
  }
  std::uint32_t interest = 0;
  if (connection.Unsent() > 0) interest |= EPOLLOUT;
  if (!connection.ended && (connection.streaming || connection.Unsent() <= kMaxUnsent)) {
    interest |= EPOLLIN;
  }
  if (interest == connection.interest) return;
  connection.interest = interest;
  inbox_.Watch(connection.fd.Get(), interest,
               [this, id](std::uint32_t events) { OnReady(id, events); });
}

void HttpServer::OnReady(ConnectionId id, std::uint32_t events) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  const bool alive = (events & (EPOLLERR | EPOLLHUP)) == 0 &&
                     ((events & EPOLLIN) == 0 || Receive(connection)) &&
                     ServeRequests(id, connection) && Linger(id, connection);
  if (!alive) return Close(id);
  UpdateInterest(id, connection);
}

bool HttpServer::Receive(Connection& connection) {
  std::array<char, 64 * 1024> buffer;
  const auto got = ::recv(connection.fd.Get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return WouldBlock();
  if (got == 0) {
    connection.ended = true;
    return !connection.streaming && !connection.lingering;
  }
  // What comes behind the request that opened a stream, or after the last answer, is of no
  // interest.
  if (!connection.streaming && !connection.closing) {
    connection.parser.Feed({buffer.data(), static_cast<std::size_t>(got)});
  }
  return true;
}

bool HttpServer::ServeRequests(ConnectionId id, Connection& connection) {
  while (!connection.streaming && !connection.closing && connection.Unsent() <= kMaxUnsent) {
    HttpResponse response;
    if (const auto request = connection.parser.Next()) {
      response = handler_->Answer(id, *request);
      if (request->Header("connection") == "close" && !response.stream) response.close = true;
    } else if (const auto& error = connection.parser.Failed()) {
      response.status = error->status;
      response.body = std::string(error->what) + '\n';
      response.close = true;
    } else {
      break;
    }
    connection.streaming = response.stream;
    connection.closing = response.close;
    connection.out += RenderResponse(response);
    if (!Flush(connection)) return false;
  }
  return Flush(connection);
}

bool HttpServer::Flush(Connection& connection) {
  while (connection.Unsent() > 0) {
    const auto sent = ::send(connection.fd.Get(), connection.out.data() + connection.sent,
                             connection.Unsent(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (!WouldBlock()) return false;
      if (connection.sent > kMaxUnsent) {
        connection.out.erase(0, std::exchange(connection.sent, 0));
      }
      return true;
    }
    connection.sent += static_cast<std::size_t>(sent);
  }
  connection.out.clear();
  connection.sent = 0;
  return !connection.ended;
}

// An answer that ends the connection must not be lost to the reset that unread bytes would cause:
// say that nothing more comes and let the peer close, for a while.
bool HttpServer::Linger(ConnectionId id, Connection& connection) {
  if (!connection.closing || connection.lingering || connection.Unsent() > 0) return true;
  if (::shutdown(connection.fd.Get(), SHUT_WR) != 0) return false;
  connection.lingering = true;
  connection.linger = inbox_.After(kLinger, [this, id] { Close(id); });
  return true;
}

void HttpServer::SendEvent(ConnectionId id, std::string_view data) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second->streaming || found->second->closing) return;
  Connection& connection = *found->second;
  connection.out += RenderEvent(data);
  // Should the peer be gone, epoll says so: this call does not come back into the handler.
  Flush(connection);
  UpdateInterest(id, connection);
}

void HttpServer::EndStream(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second->streaming || found->second->closing) return;
  found->second->out += RenderStreamEnd();
  found->second->closing = true;
  // Sent from the loop: the stream ends there as any other does.
  UpdateInterest(id, *found->second);
}

void HttpServer::Close(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const std::unique_ptr<Connection> connection = std::move(found->second);
  connections_.erase(found);
  inbox_.Cancel(connection->linger);
  inbox_.Unwatch(connection->fd.Get());
  if (connection->congested) --congested_;
  if (!accepting_ && resume_ == Inbox::kNoTimer) ResumeAccepting();
  if (connection->streaming) handler_->OnStreamClosed(id);
}

}  // namespace runner::faultsim
