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

// The open connections of one server. Decides which connection is cut when there are too many. Does
// no I/O. Not thread-safe.
class ConnectionTable {
 public:
  using Id = std::uint64_t;  // increases with every connection; never reused
  struct Limits {
    std::size_t connections = 64;
    std::size_t per_address = 48;
    // Connections that serve a client are not cut to make room for others.
    bool keep_serving = false;
    // Connections without an address that are older are not cut to make room for others.
    Duration settled_after = Duration::max();
  };
  // Returns the number of bytes that a connection has received so far.
  using Received = std::function<std::uint64_t(Id)>;
  // Returns true for a connection that serves a client: its request is complete, or it has a
  // session.
  using Serves = std::function<bool(Id)>;

  explicit ConnectionTable(const Limits& limits) : limits_(limits) {}

  std::size_t size() const { return connections_.size(); }
  // `address` of the peer, without its port; empty for a Unix socket.
  Id Add(MonoTime now, const std::string& address);
  // Does nothing if there is no such connection.
  void Remove(Id id);

  struct Oldest {
    Id id = 0;
    MonoTime since;
  };
  std::optional<Oldest> oldest() const;

  // Returns the connection to cut if the last Add exceeded a limit. Candidates are the connections
  // of the address that exceeds its limit, otherwise all. The oldest that has received nothing for
  // kSilentTime is cut first; if there is none, the oldest of the larger group: those that serve or
  // those that do not. The last one added is cut if no other may be.
  std::optional<Id> Excess(MonoTime now, const Received& received, const Serves& serves);
  static constexpr Duration kSilentTime = std::chrono::milliseconds(100);

  // Returns the connections that cause a flood: each has received at least half of the mean, and at
  // least kBusyBytes, since it was last returned here. Connections that serve are returned only if
  // there is no other; they must have received kServingBytes since Calm. Returns none if the
  // candidates together have received less than `sum`.
  std::vector<Id> Busiest(const Received& received, const Serves& serves, std::uint64_t sum = 0);
  static constexpr std::uint64_t kBusyBytes = 1024;
  static constexpr std::uint64_t kServingBytes = 64 * 1024;

  // There is no flood: the bytes that serving connections have received so far do not count for a
  // later one.
  void Calm(const Received& received, const Serves& serves);

 private:
  struct Connection {
    std::string address;
    MonoTime since;
    bool silent = true;          // as of the last Excess
    std::uint64_t received = 0;  // at the last Busiest that returned it, or at the last Calm
  };

  std::vector<Id> Busiest(const Received& received, const Serves& serves, bool serving,
                          std::uint64_t least, std::uint64_t least_sum);

  const Limits limits_;
  Id last_ = 0;
  std::map<Id, Connection> connections_;  // in the order of acceptance
  std::unordered_map<std::string, std::size_t> per_address_;
};

}  // namespace runner
