#pragma once

#include <cstddef>
#include <string>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

// Receives the reports of connections, on their thread.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  // A connection begins: to a cluster that had none, or in place of one that was closed.
  virtual void OnOpened(const std::string& cluster) = 0;
  // `backfilled`: listed afterwards; it happened while no subscription existed.
  virtual void OnEvent(const std::string& cluster, DecodedEvent event, bool backfilled) = 0;
  virtual void OnSubscribed(const std::string& cluster, const Subscribed& subscription) = 0;
  // An attempt failed, or a subscription was lost. `attempt` counts from 1 since the last
  // subscription.
  virtual void OnFailed(const std::string& cluster, const ConnectionFailure& failure,
                        Duration retry_in, int attempt) = 0;
  // A subscribed connection was closed by us.
  virtual void OnClosed(const std::string& cluster) = 0;
  virtual void OnWarning(const std::string& cluster, const McpWarning& warning) = 0;
  // Entries of a list of events were not used.
  virtual void OnEntriesDropped(const std::string& cluster, std::size_t count) = 0;
};

}  // namespace runner::ingest
