#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/inbox.h"
#include "common/metrics_page.h"
#include "ingest/ingest_loop.h"

namespace runner::ingest {

// The numbers of one scrape, copied from the loop in one piece.
struct MetricsSnapshot {
  struct Cluster {
    std::string name;
    ClusterCounters counters;
    std::size_t depth = 0;
    std::size_t leased = 0;
    std::optional<WallTime> oldest_queued;
    ConnectionState connection;
    Duration gap{};
  };
  std::vector<Cluster> clusters;
  SchedulerCounters scheduler;
  CircuitBreaker::State breaker = CircuitBreaker::State::kClosed;
  std::size_t executors_connected = 0;
  std::size_t slots_free = 0;
  std::size_t slots_busy = 0;
};

// On the loop thread.
MetricsSnapshot TakeSnapshot(const IngestLoop& loop, const Instant& now);

void AddIngestMetrics(const MetricsSnapshot& snapshot, MetricsPage& page);

// The text of /metrics; any thread but the loop's. Throws std::runtime_error when the loop does not
// answer within half a second.
std::string ScrapeIngest(Inbox& inbox, const IngestLoop& loop, MonoTime started);

}  // namespace runner::ingest
