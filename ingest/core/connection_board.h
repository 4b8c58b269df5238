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

// How a subscription was established, in the words of the configuration.
struct SubscriptionFacts {
  std::string mode;
  std::string transport;
  std::string protocol_version;
  std::string session_id;  // may be empty
};

// The state of the connection to the MCP server of one cluster.
struct ConnectionState {
  bool subscribed = false;
  bool closed = false;                 // closed by ingest and not opened again
  SubscriptionFacts facts;             // of the latest subscription
  std::optional<MonoTime> next_retry;  // after a failure
  int attempt = 0;                     // failures since the latest subscription
  int repeats = 0;                     // consecutive occurrences of the latest error
  std::uint64_t backfilled = 0;
  std::uint64_t list_entries_dropped = 0;
  bool ever_subscribed = false;
  MonoTime since;  // start of the current state
  std::optional<WallTime> last_event;
  std::string last_error;
  std::map<std::string, std::uint64_t> reconnections;  // by reason
  std::map<std::string, std::uint64_t> errors;         // by reason
  Duration gap{};  // time without a subscription after the first one; excludes the current gap
  Histogram durations{std::vector<double>{60, 300, 600, 1800, 3600, 7200, 14400}};

  Duration GapUntil(MonoTime now) const;
  // One of: connecting, subscribed, retrying (until its next attempt), closed.
  std::string_view Word(MonoTime now) const;
};

// Keeps the state of every connection by cluster index. Fed with what the connections report.
// Pure; not thread-safe.
class ConnectionBoard {
 public:
  ConnectionBoard(std::size_t clusters, MonoTime start);

  // Returns how long the cluster was not subscribed.
  Duration OnSubscribed(std::size_t cluster, SubscriptionFacts facts, MonoTime now);
  // `reason` is a class of connection errors (SPEC: network, timeout, tls, ...). The next attempt
  // follows in `retry_in`. Returns the number of consecutive occurrences of this error, from 1.
  int OnFailed(std::size_t cluster, const std::string& reason, const std::string& detail,
               Duration retry_in, MonoTime now);
  // A connection starts: the first one, or one that replaces a closed one.
  void OnOpened(std::size_t cluster, MonoTime now);
  // Ingest closed the connection.
  void OnClosed(std::size_t cluster, MonoTime now);
  // `clusters` is the new number of clusters; it never decreases.
  void Grow(std::size_t clusters, MonoTime now);
  // The cluster was removed from the configuration. Its counters stay. No gap is counted until the
  // cluster is configured and subscribed again. Idempotent.
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
