#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/histogram.h"

namespace runner::ingest {

// What is known of the connection to one cluster's MCP server.
struct ConnectionState {
  bool subscribed = false;
  bool ever_subscribed = false;
  MonoTime since;  // of the present state
  std::optional<WallTime> last_event;
  std::string last_error;
  std::map<std::string, std::uint64_t> reconnections;  // by reason
  std::map<std::string, std::uint64_t> errors;         // by reason
  Duration gap{};  // not subscribed after the first subscription, without the present gap
  Histogram durations{std::vector<double>{60, 300, 600, 1800, 3600, 7200, 14400}};

  Duration GapUntil(MonoTime now) const;
};

// Keeps the state of every connection, by the index of the cluster, from what the connections tell.
// Pure; not thread-safe.
class ConnectionBoard {
 public:
  ConnectionBoard(std::size_t clusters, MonoTime start);

  // How long the cluster was not subscribed.
  Duration OnSubscribed(std::size_t cluster, MonoTime now);
  // `reason` is one of the words for connection errors. An attempt will follow.
  void OnFailed(std::size_t cluster, const std::string& reason, const std::string& detail,
                MonoTime now);
  // Closed by us.
  void OnClosed(std::size_t cluster, MonoTime now);
  void OnEvent(std::size_t cluster, WallTime now);

  const ConnectionState& Of(std::size_t cluster) const { return states_.at(cluster); }
  std::size_t subscribed() const { return subscribed_; }

 private:
  void Unsubscribed(ConnectionState& state, MonoTime now);

  std::vector<ConnectionState> states_;
  std::size_t subscribed_ = 0;
};

}  // namespace runner::ingest
