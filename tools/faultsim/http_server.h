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

// A small HTTP/1.1 server with event streams, on one EventLoop; belongs to the thread of that
// EventLoop. Connections are kept alive, requests on one are answered in order. For a request that
// has steps, these decide what is sent, byte by byte if need be. Beyond kMaxConnections (or when
// the process is out of descriptors) new ones wait in the backlog.
class HttpServer final : public Streams {
 public:
  static constexpr std::size_t kMaxConnections = 20'000;
  // More unsent bytes than this on one connection: nothing more is read from it, and a stream
  // counts as congested.
  static constexpr std::size_t kMaxUnsent = 1024 * 1024;

  // `listener`: a non-blocking listening socket.
  HttpServer(EventLoop& event_loop, UniqueFd listener);
  ~HttpServer() override;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Begins to accept. `handler` outlives the server.
  void Serve(HttpHandler& handler);

  void SendEvent(ConnectionId connection, std::string_view data) override;
  void EndStream(ConnectionId connection) override;

  // Some stream is behind: who can wait with more events should.
  bool Congested() const { return congested_ > 0; }

 private:
  struct Connection;

  void Accept();
  void PauseAccepting();
  void ResumeAccepting();
  void Add(UniqueFd fd);
  void OnReady(ConnectionId id, std::uint32_t events);
  // Goes on after a timer.
  void Continue(ConnectionId id) { OnReady(id, 0); }
  // Each of these returns false when the connection is of no more use.
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
