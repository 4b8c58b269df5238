#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"

namespace runner {

// The open connections of one server, and the decision which of them is cut when there are too
// many. Does no I/O. Not thread-safe.
class ConnectionTable {
 public:
  using Id = std::uint64_t;  // increases with every connection, is never reused
  struct Limits {
    std::size_t connections = 64;
    std::size_t per_address = 48;
    // Connections that are older are not cut to make room for others.
    Duration settled_after = Duration::max();
  };
  // The bytes that a connection has received so far.
  using Received = std::function<std::uint64_t(Id)>;

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
  // too many, otherwise among all, the one that has received least, and among equals the oldest.
  // The last one itself is cut when no other may be.
  std::optional<Id> Excess(MonoTime now, const Received& received) const;

  // The connections behind a flood: each has received at least half of the mean, and at least
  // kBusyBytes, since it was last returned here.
  std::vector<Id> Busiest(const Received& received);
  static constexpr std::uint64_t kBusyBytes = 4096;

 private:
  struct Connection {
    std::string address;
    MonoTime since;
    std::uint64_t received = 0;  // at the last call of Busiest
  };

  const Limits limits_;
  Id last_ = 0;
  std::map<Id, Connection> connections_;  // in the order of their start
  std::unordered_map<std::string, std::size_t> per_address_;
};

}  // namespace runner
