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

// Accepts the connections of one server on an event loop and hands them over. Keeps their number
// within limits, cuts those that are too old, and accepts again after a shortage of descriptors or
// memory has passed. A connection takes two descriptors: one for the server, one by which it is
// watched and cut here.
//
// Threads: Failure may be called from any thread. Everything else belongs to the loop
// thread, or to the owner while the loop does not run. The loop outlives the listener.
class Listener {
 public:
  using Id = ConnectionTable::Id;
  struct Options {
    ConnectionTable::Limits limits = {};
    // A connection that is older is cut; zero: none is.
    Duration max_age = Duration::zero();
    // The time for which accept(2) may fail before Failure reports it.
    Duration failure_after = std::chrono::seconds(5);
    // Returns a number while clients send more than the server can serve: the bytes that all
    // connections behind it have sent at the least. Called on the loop thread, after every
    // kTrafficStep bytes and for some time after them. Until it returns nothing the connections
    // that send most are cut, and none is accepted. Empty: traffic is not watched.
    std::function<std::optional<std::uint64_t>()> flooded = {};
    // Returns true for a connection that serves a client (ConnectionTable::Serves), given its
    // descriptor; called on the loop thread. Empty: none does.
    std::function<bool(Id, int)> serves = {};
    // Connections were cut because there were too many, or for a flood; called on the loop thread.
    std::function<void(const char* reason, std::size_t connections)> on_cut = {};
  };
  static constexpr std::uint64_t kTrafficStep = 16 * 1024;
  // Takes the connection over, which is non-blocking. Leaves the descriptor and returns false when
  // the server is short of threads or memory: it is called again with the same connection, and no
  // other is accepted meanwhile. On the loop thread; never blocks or throws.
  using OnConnection = std::function<bool(Id, UniqueFd&)>;

  Listener(EventLoop& loop, ListenSockets sockets, const Options& options,
           OnConnection on_connection);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const { return sockets_.port; }
  std::size_t connections() const { return table_.size(); }

  // The server has closed the connection. Only needed for servers that close without shutdown(2),
  // which is noticed here.
  void Closed(Id id);

  // Closes the connection, also for the server.
  void Cut(Id id);

  // The reason why connections have not been accepted, or not been taken over by the server, for
  // `failure_after`; nothing when they are.
  std::optional<std::string> Failure() const EXCLUDES(mutex_);

  // Closes the listening sockets, and removes the file of a Unix socket. Connections stay.
  void StopListening();

 private:
  struct Connection {
    UniqueFd fd;
    bool is_tcp;
    std::uint64_t received = 0;  // as far as counted in unchecked_; of a Unix socket an estimate
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
  std::optional<std::pair<Id, UniqueFd>> refused_;  // the server has not taken it over yet
  EventLoop::TimerId resume_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId age_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId flood_timer_ = EventLoop::kNoTimer;
  std::uint64_t unchecked_ = 0;  // bytes since `flooded` was asked
  bool flooded_ = false;         // as it answered
  MonoTime traffic_;             // when `flooded` was last asked for what has arrived
  MonoTime calm_;                // when the table was last told so

  mutable Mutex mutex_;
  int error_ GUARDED_BY(mutex_) = 0;  // why connections are not accepted; 0: they are
  MonoTime failing_since_ GUARDED_BY(mutex_);
};

}  // namespace runner
