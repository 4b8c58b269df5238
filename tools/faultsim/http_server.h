#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"
#include "tools/faultsim/http_handler.h"
#include "tools/faultsim/script_player.h"

namespace runner::faultsim {

// A small HTTP/1.1 server with event streams, used on the thread of its EventLoop only. Connections
// are kept alive; requests on one connection are answered in order. If a request has script steps,
// they decide what is sent. Beyond kMaxConnections, or without free descriptors, new connections
// wait in the backlog.
class HttpServer final : public Streams {
 public:
  static constexpr std::size_t kMaxConnections = 20'000;
  // Limit of unsent bytes on a connection. Beyond it reading pauses, and a stream counts as
  // congested.
  static constexpr std::size_t kMaxUnsent = 1024 * 1024;

  // `listener` must be a non-blocking listening socket.
  HttpServer(EventLoop& event_loop, UniqueFd listener);
  ~HttpServer() override;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Starts to accept. `handler` must outlive the server.
  void Serve(HttpHandler& handler);

  void SendEvent(ConnectionId connection, std::string_view data) override;
  void EndStream(ConnectionId connection) override;

  // True if a stream is congested; publishers should pause.
  bool Congested() const { return congested_ > 0; }

 private:
  struct Connection;

  void Accept();
  void PauseAccepting();
  void ResumeAccepting();
  void Add(UniqueFd fd);
  void OnReady(ConnectionId id, std::uint32_t events);
  // Resumes a connection after a timer.
  void Continue(ConnectionId id) { OnReady(id, 0); }
  // Each of these returns false if the connection must be closed.
  bool Receive(Connection& connection);
  bool ServeRequests(ConnectionId id, Connection& connection);
  bool AnswerPlainly(ConnectionId id, Connection& connection, const HttpRequest& request);
  bool Play(ConnectionId id, Connection& connection);
  bool Perform(ConnectionId id, Connection& connection, ScriptPlayer::Command command);
  bool Flush(ConnectionId id, Connection& connection);
  bool Linger(ConnectionId id, Connection& connection);
  void PauseSteps(ConnectionId id, Connection& connection, Duration delay);
  void CancelTimers(const Connection& connection);
  void UpdateInterest(ConnectionId id, Connection& connection);
  void Close(ConnectionId id);

  EventLoop& event_loop_;
  UniqueFd listener_;
  HttpHandler* handler_ = nullptr;
  bool accepting_ = false;
  EventLoop::TimerId resume_ = EventLoop::kNoTimer;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  ConnectionId next_id_ = 1;
  std::size_t congested_ = 0;
};

}  // namespace runner::faultsim
