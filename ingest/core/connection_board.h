#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/histogram.h"

namespace runner::ingest {

// How a subscription came about, in the words of the configuration.
struct SubscriptionFacts {
  std::string mode;
  std::string transport;
  std::string protocol_version;
  std::string session_id;  // may be empty
};

// What is known of the connection to one cluster's MCP server.
struct ConnectionState {
  bool subscribed = false;
  bool closed = false;                 // by us, and not opened again
  SubscriptionFacts facts;             // of the latest subscription
  std::optional<MonoTime> next_retry;  // after a failure
  int attempt = 0;                     // failures since the latest subscription
  int repeats = 0;                     // of the latest error, in a row
  std::uint64_t backfilled = 0;
  std::uint64_t list_entries_dropped = 0;
  bool ever_subscribed = false;
  MonoTime since;  // of the present state
  std::optional<WallTime> last_event;
  std::string last_error;
  std::map<std::string, std::uint64_t> reconnections;  // by reason
  std::map<std::string, std::uint64_t> errors;         // by reason
  Duration gap{};  // not subscribed after the first subscription, without the present gap
  Histogram durations{std::vector<double>{60, 300, 600, 1800, 3600, 7200, 14400}};

  Duration GapUntil(MonoTime now) const;
  // connecting, subscribed, retrying (waits for its next attempt), closed.
  std::string_view Word(MonoTime now) const;
};

// Keeps the state of every connection, by the index of the cluster, from what the connections tell.
// Pure; not thread-safe.
class ConnectionBoard {
 public:
  ConnectionBoard(std::size_t clusters, MonoTime start);

  // How long the cluster was not subscribed.
  Duration OnSubscribed(std::size_t cluster, SubscriptionFacts facts, MonoTime now);
  // `reason` is one of the words for connection errors. An attempt will follow in `retry_in`.
  // How often in a row this very error has come, from 1.
  int OnFailed(std::size_t cluster, const std::string& reason, const std::string& detail,
               Duration retry_in, MonoTime now);
  // A connection begins, the first one or one in place of another that was closed.
  void OnOpened(std::size_t cluster, MonoTime now);
  // Closed by us.
  void OnClosed(std::size_t cluster, MonoTime now);
  // There are so many clusters now, as many as before or more.
  void Grow(std::size_t clusters, MonoTime now);
  // The cluster is configured no more: what was counted stays, and no gap is counted until it is
  // back and was subscribed again. Once more changes nothing.
  void OnRemoved(std::size_t cluster, MonoTime now);
  void OnEvent(std::size_t cluster, bool backfilled, WallTime now);
  void OnEntriesDropped(std::size_t cluster, std::size_t count);

  const ConnectionState& Of(std::size_t cluster) const { return states_.at(cluster); }
  std::size_t subscribed() const { return subscribed_; }

 private:
  void Unsubscribed(ConnectionState& state, MonoTime now);

  std::vector<ConnectionState> states_;
  std::size_t subscribed_ = 0;
};

}  // namespace runner::ingest
