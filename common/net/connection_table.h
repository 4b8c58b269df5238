#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"

namespace runner {

// The open connections of one server, and the decision which of them is cut when there are too
// many. Does no I/O. Not thread-safe.
class ConnectionTable {
 public:
  using Id = std::uint64_t;  // increases with every connection, is never reused
  struct Limits {
    std::size_t connections = 64;
    std::size_t per_address = 48;
    // Connections that serve a client are not cut to make room for others.
    bool keep_serving = false;
    // Connections without an address that are older are not cut to make room for others.
    Duration settled_after = Duration::max();
  };
  // The bytes that a connection has received so far.
  using Received = std::function<std::uint64_t(Id)>;
  // Returns true for a connection that serves a client: its request is complete, or it has a
  // session.
  using Serves = std::function<bool(Id)>;

  explicit ConnectionTable(const Limits& limits) : limits_(limits) {}

  std::size_t size() const { return connections_.size(); }
  // `address` of the peer, without its port; empty for a Unix socket, which has no address.
  Id Add(MonoTime now, const std::string& address);
  // Does nothing when there is no such connection.
  void Remove(Id id);

  // The oldest connection, and its start.
  struct Oldest {
    Id id = 0;
    MonoTime since;
  };
  std::optional<Oldest> oldest() const;

  // The connection to be cut, if the last Add made too many: among those of the address that has
  // too many, otherwise among all, the oldest that has received nothing for kSilentTime. If there
  // is none, the oldest of those that serve, or of those that do not, whichever are more. The last
  // one itself is cut when no other may be.
  std::optional<Id> Excess(MonoTime now, const Received& received, const Serves& serves);
  static constexpr Duration kSilentTime = std::chrono::milliseconds(100);

  // The connections behind a flood: each has received at least half of the mean, and at least
  // kBusyBytes, since it was last returned here. Connections that serve are returned when there
  // is no other: those that have received kServingBytes since Calm. Those that have received less
  // than `sum` together are not behind it.
  std::vector<Id> Busiest(const Received& received, const Serves& serves, std::uint64_t sum = 0);
  static constexpr std::uint64_t kBusyBytes = 1024;
  static constexpr std::uint64_t kServingBytes = 64 * 1024;

  // There is no flood: what connections that serve have received so far belongs to none.
  void Calm(const Received& received, const Serves& serves);

 private:
  struct Connection {
    std::string address;
    MonoTime since;
    bool silent = true;          // as far as Excess knows
    std::uint64_t received = 0;  // when Busiest last returned it, or at the last Calm
  };

  std::vector<Id> Busiest(const Received& received, const Serves& serves, bool serving,
                          std::uint64_t least, std::uint64_t least_sum);

  const Limits limits_;
  Id last_ = 0;
  std::map<Id, Connection> connections_;  // in the order of their start
  std::unordered_map<std::string, std::size_t> per_address_;
};

}  // namespace runner
