#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/cluster_event.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

// New events of lists that are not delivered yet. They are delivered in portions: reading long
// messages takes time, and other clusters wait for the thread. Pure; not thread-safe.
class PendingEvents {
 public:
  void Add(std::vector<ClusterEvent> events, bool backfilled, const Instant& now);
  // The next events: up to 64, of up to 256 KiB of YAML and one message, which take some 60 ms.
  std::vector<DeliverEvent> TakePortion();
  // All events. Messages that are not read yet are cut to their beginning.
  std::vector<DeliverEvent> TakeAll();
  // When the next portion is due; nothing when there is none.
  std::optional<MonoTime> Deadline() const;

 private:
  struct Pending {
    ClusterEvent event;
    bool backfilled = false;
  };
  DeliverEvent TakeFirst();

  std::deque<Pending> events_;
  Instant added_;  // the latest
};

}  // namespace runner::ingest
