#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/unique_fd.h"
#include "common/loop/event_loop.h"
#include "common/net/connection_table.h"
#include "common/net/listen.h"

namespace runner {

// Accepts the connections of one server on an event loop and passes them to the server. Limits
// their number and age, and resumes accepting after a shortage of descriptors or memory. A
// connection takes two descriptors: one for the server, one by which the listener watches and cuts
// it.
//
// Threads: Failure may be called from any thread. Everything else belongs to the loop thread, or to
// the owner while the loop does not run. The loop must outlive the listener.
class Listener {
 public:
  using Id = ConnectionTable::Id;
  struct Options {
    ConnectionTable::Limits limits = {};
    // Older connections are cut; zero: no limit.
    Duration max_age = Duration::zero();
    // How long accept(2) may fail before Failure reports it.
    Duration failure_after = std::chrono::seconds(5);
    // Returns a number while clients send more than the server can serve: the least number of bytes
    // that the connections causing it have sent together. Called on the loop thread, after every
    // kTrafficStep bytes and for some time after them. While it returns a number, the connections
    // that send most are cut, and none is accepted. Empty: traffic is not watched.
    std::function<std::optional<std::uint64_t>()> flooded = {};
    // Returns true for a connection that serves a client (ConnectionTable::Serves), given its
    // descriptor; called on the loop thread. Empty: no connection does.
    std::function<bool(Id, int)> serves = {};
    // Called on the loop thread after connections were cut, because there were too many or because
    // of a flood.
    std::function<void(const char* reason, std::size_t connections)> on_cut = {};
  };
  static constexpr std::uint64_t kTrafficStep = 16 * 1024;
  // Passes the connection, which is non-blocking, to the server. If the server is short of threads
  // or memory, it leaves the descriptor and returns false; it is then called again with the same
  // connection, and no other is accepted meanwhile. Runs on the loop thread; must not block or
  // throw.
  using OnConnection = std::function<bool(Id, UniqueFd&)>;

  Listener(EventLoop& loop, ListenSockets sockets, const Options& options,
           OnConnection on_connection);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const { return sockets_.port; }
  std::size_t connections() const { return table_.size(); }

  // Call after the server has closed the connection. Only servers that close without shutdown(2)
  // need this; the listener detects all other ends.
  void Closed(Id id);

  // Closes the connection on both sides, for the peer and for the server.
  void Cut(Id id);

  // The reason why connections have not been accepted, or not been taken by the server, for
  // `failure_after`; nothing if they are.
  std::optional<std::string> Failure() const EXCLUDES(mutex_);

  // Closes the listening sockets and removes the file of a Unix socket. Connections stay open.
  void StopListening();

 private:
  struct Connection {
    UniqueFd fd;
    bool is_tcp;
    std::uint64_t received = 0;  // at the last check; an estimate for Unix sockets
  };

  void WatchSockets();
  void Resume();
  void Accept(int listening);
  int Admit(UniqueFd fd, UniqueFd given, const std::string& address);
  int HandOver(Id id, UniqueFd fd);
  void OnEvents(Id id, std::uint32_t events);
  void OnShortage(int error);
  void PauseAccepting(Duration time);
  void CutOld();
  void CutBusiest();
  void Report(const char* reason, std::size_t connections) const;
  std::uint64_t Received(Id id) const;
  bool Serves(Id id) const;

  EventLoop& loop_;
  ListenSockets sockets_;
  const Options options_;
  const OnConnection on_connection_;
  ConnectionTable table_;
  std::unordered_map<Id, Connection> open_;
  std::optional<std::pair<Id, UniqueFd>> refused_;  // not yet taken by the server
  EventLoop::TimerId resume_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId age_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId flood_timer_ = EventLoop::kNoTimer;
  std::uint64_t unchecked_ = 0;  // bytes since the last call of `flooded`
  bool flooded_ = false;         // the last result of `flooded`
  MonoTime traffic_;             // when `flooded` was last called because data arrived
  MonoTime calm_;                // when ConnectionTable::Calm was last called

  mutable Mutex mutex_;
  int error_ GUARDED_BY(mutex_) = 0;  // why connections are not accepted; 0 if they are
  MonoTime failing_since_ GUARDED_BY(mutex_);
};

}  // namespace runner
