#include "tools/faultsim/http_server.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>
#include <variant>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tools/faultsim/send_queue.h"

namespace runner::faultsim {
namespace {

using namespace std::chrono_literals;

constexpr auto kRetryAccept = 100ms;
constexpr auto kLinger = 1s;
constexpr int kAcceptsPerTurn = 64;
constexpr int kStepsPerTurn = 64;

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

}  // namespace

struct HttpServer::Connection {
  UniqueFd fd;
  RequestParser parser;
  SendQueue out;
  std::unique_ptr<ScriptPlayer> player;  // of the request that is answered by a script
  std::uint32_t interest = 0;
  bool streaming = false;
  bool closing = false;    // closes when everything is sent
  bool ended = false;      // the peer has sent FIN
  bool lingering = false;  // everything is sent; waits for the peer to close
  bool congested = false;
  bool muted = false;   // events of the handler are dropped
  bool paused = false;  // the next step waits for a timer
  EventLoop::TimerId linger = EventLoop::kNoTimer;
  EventLoop::TimerId rest = EventLoop::kNoTimer;   // between two pieces of SendQueue
  EventLoop::TimerId pause = EventLoop::kNoTimer;  // between two script steps
};

HttpServer::HttpServer(EventLoop& event_loop, UniqueFd listener)
    : event_loop_(event_loop), listener_(std::move(listener)) {}

HttpServer::~HttpServer() {
  if (accepting_) event_loop_.Unwatch(listener_.Get());
  event_loop_.Cancel(resume_);
  for (const auto& [id, connection] : connections_) {
    CancelTimers(*connection);
    event_loop_.Unwatch(connection->fd.Get());
  }
}

void HttpServer::CancelTimers(const Connection& connection) {
  event_loop_.Cancel(connection.linger);
  event_loop_.Cancel(connection.rest);
  event_loop_.Cancel(connection.pause);
}

void HttpServer::Serve(HttpHandler& handler) {
  handler_ = &handler;
  ResumeAccepting();
}

void HttpServer::ResumeAccepting() {
  event_loop_.Cancel(std::exchange(resume_, EventLoop::kNoTimer));
  if (std::exchange(accepting_, true)) return;
  event_loop_.Watch(listener_.Get(), EPOLLIN, [this](std::uint32_t) { Accept(); });
}

void HttpServer::PauseAccepting() {
  if (std::exchange(accepting_, false)) event_loop_.Unwatch(listener_.Get());
}

void HttpServer::Accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (connections_.size() >= kMaxConnections) return PauseAccepting();
    UniqueFd fd(::accept4(listener_.Get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      Add(std::move(fd));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      PauseAccepting();
      resume_ = event_loop_.After(kRetryAccept, [this] { ResumeAccepting(); });
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
  const bool congested = connection.streaming && connection.out.Unsent() > kMaxUnsent;
  if (congested != connection.congested) {
    connection.congested = congested;
    congested ? ++congested_ : --congested_;
  }
  std::uint32_t interest = 0;
  if (connection.out.Unsent() > 0 && !connection.out.Resting()) interest |= EPOLLOUT;
  const bool room = connection.out.Unsent() <= kMaxUnsent && !connection.parser.Full();
  if (!connection.ended && (connection.streaming || room)) interest |= EPOLLIN;
  if (interest == connection.interest) return;
  connection.interest = interest;
  event_loop_.Watch(connection.fd.Get(), interest,
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
  std::array<char, 64 * 1024> buffer;  // NOLINT(*-member-init): recv fills it
  const auto got = ::recv(connection.fd.Get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return WouldBlock();
  if (got == 0) {
    connection.ended = true;
    return !connection.streaming && !connection.lingering && !connection.player;
  }
  // Bytes after the request that opened a stream, or after the last response, are dropped.
  if (!connection.streaming && !connection.closing) {
    connection.parser.Feed({buffer.data(), static_cast<std::size_t>(got)});
  }
  return true;
}

bool HttpServer::ServeRequests(ConnectionId id, Connection& connection) {
  if (!Play(id, connection)) return false;
  while (!connection.streaming && !connection.closing && !connection.player &&
         connection.out.Unsent() <= kMaxUnsent) {
    if (auto request = connection.parser.Next()) {
      if (auto steps = handler_->StepsFor(*request)) {
        connection.player = std::make_unique<ScriptPlayer>(std::move(steps), *std::move(request));
        if (!Play(id, connection)) return false;
      } else if (!AnswerPlainly(id, connection, *request)) {
        return false;
      }
    } else if (const auto& error = connection.parser.Failed()) {
      connection.out.Append(
          RenderResponse({error->status, {}, std::string(error->what) + '\n', false, true}));
      connection.closing = true;
    } else {
      break;
    }
  }
  return Flush(id, connection);
}

bool HttpServer::AnswerPlainly(ConnectionId id, Connection& connection,
                               const HttpRequest& request) {
  HttpResponse response = handler_->Answer(id, request);
  if (request.Header("connection") == "close" && !response.stream) response.close = true;
  connection.streaming = response.stream;
  connection.closing = response.close;
  connection.out.Append(RenderResponse(response));
  return Flush(id, connection);
}

// A step starts when everything before it is sent, so a peer that does not read delays the steps.
bool HttpServer::Play(ConnectionId id, Connection& connection) {
  for (int i = 0;; ++i) {
    if (!Flush(id, connection)) return false;
    if (!connection.player || connection.player->finished() || connection.paused ||
        connection.closing || connection.out.Unsent() > 0) {
      return true;
    }
    if (i == kStepsPerTurn) {  // yields to other connections
      PauseSteps(id, connection, Duration::zero());
      return true;
    }
    if (!Perform(id, connection, connection.player->Next())) return false;
  }
}

bool HttpServer::Perform(ConnectionId id, Connection& connection, ScriptPlayer::Command command) {
  return std::visit(
      Overloaded{
          [&](const ScriptPlayer::SendBytes& send) {
            connection.out.Append(send.bytes);
            return true;
          },
          [&](const ScriptPlayer::Finish& finish) {
            if (connection.streaming) return true;  // continues as an ordinary stream
            connection.closing = !finish.keep;
            connection.player.reset();
            connection.out.SetPace({});
            return true;
          },
          [&](const step::Serve&) {
            HttpResponse response = handler_->Answer(id, connection.player->request());
            response.close = connection.player->request().Header("connection") == "close";
            connection.streaming |= response.stream;
            connection.player->Served(response);
            connection.out.Append(RenderResponse(response));
            return true;
          },
          [&](const step::SetPace& pace) {
            connection.out.SetPace(pace.pace);
            return true;
          },
          [&](const step::Wait& wait) {
            PauseSteps(id, connection, wait.delay);
            return true;
          },
          [&](const step::Stall&) { return true; },
          [&](const step::Mute&) { return connection.muted = true; },
          [&](const step::HalfClose&) { return ::shutdown(connection.fd.Get(), SHUT_WR) == 0; },
          [&](const step::Close&) { return connection.closing = true; },
          [&](const step::Reset&) {
            const linger now{1, 0};
            ::setsockopt(connection.fd.Get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
            return false;
          },
      },
      command);
}

void HttpServer::PauseSteps(ConnectionId id, Connection& connection, Duration delay) {
  connection.paused = true;
  event_loop_.Cancel(connection.pause);
  connection.pause = event_loop_.After(delay, [this, id] {
    connections_.at(id)->paused = false;
    Continue(id);
  });
}

bool HttpServer::Flush(ConnectionId id, Connection& connection) {
  if (!connection.out.Flush(connection.fd.Get())) return false;
  if (connection.out.Resting() && connection.rest == EventLoop::kNoTimer) {
    connection.rest = event_loop_.After(connection.out.pace().pause, [this, id] {
      Connection& rested = *connections_.at(id);
      rested.rest = EventLoop::kNoTimer;
      rested.out.Rested();
      Continue(id);
    });
  }
  return connection.out.Unsent() > 0 || !connection.ended;
}

// Unread bytes would cause a reset that may destroy the last response. So send FIN and wait for the
// peer to close, at most kLinger.
bool HttpServer::Linger(ConnectionId id, Connection& connection) {
  if (!connection.closing || connection.lingering || connection.out.Unsent() > 0) return true;
  if (::shutdown(connection.fd.Get(), SHUT_WR) != 0) return false;
  connection.lingering = true;
  connection.linger = event_loop_.After(kLinger, [this, id] { Close(id); });
  return true;
}

void HttpServer::SendEvent(ConnectionId id, std::string_view data) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second->streaming) return;
  Connection& connection = *found->second;
  if (connection.closing || connection.muted) return;
  connection.out.Append(connection.player ? connection.player->Frame(EventText(data))
                                          : RenderEvent(data));
  // A broken connection is reported by epoll: this call must not re-enter the handler.
  Flush(id, connection);
  UpdateInterest(id, connection);
}

void HttpServer::EndStream(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second->streaming) return;
  Connection& connection = *found->second;
  if (connection.closing || connection.muted) return;
  connection.out.Append(RenderStreamEnd());
  connection.closing = true;
  // The loop sends the bytes and closes the stream.
  UpdateInterest(id, connection);
}

void HttpServer::Close(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const std::unique_ptr<Connection> connection = std::move(found->second);
  connections_.erase(found);
  CancelTimers(*connection);
  event_loop_.Unwatch(connection->fd.Get());
  if (connection->congested) --congested_;
  if (!accepting_ && resume_ == EventLoop::kNoTimer) ResumeAccepting();
  if (connection->streaming) handler_->OnStreamClosed(id);
}

}  // namespace runner::faultsim
