#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "common/observability/metrics_page.h"
#include "ingest/loop/ingest_loop.h"

namespace runner::ingest {

enum class MetricsDetail {
  kPerCluster,  // series of each cluster, by its configured name
  kSummed,      // of all together, cluster="all": for thousands of them
};

// The numbers of one scrape, copied from the loop in one piece.
struct MetricsSnapshot {
  // Of a cluster, or of all: sums, the earliest of what waits, the latest event.
  struct Cluster {
    std::string name;
    ClusterCounters counters;
    std::size_t depth = 0;
    std::size_t leased = 0;
    std::optional<WallTime> oldest_queued;
    bool configured = true;  // not removed
    std::size_t subscribed = 0;
    std::uint64_t backfilled = 0;
    std::uint64_t list_entries_dropped = 0;
    WordCounts reconnections;            // by reason
    WordCounts errors;                   // by reason
    std::optional<Histogram> durations;  // once a subscription has ended
    std::optional<WallTime> last_event;
    Duration gap{};

    void Add(const Scheduler::ClusterView& view, const ConnectionState& connection, MonoTime now);
  };
  std::vector<Cluster> clusters;
  SchedulerCounters scheduler;
  CircuitBreaker::State breaker = CircuitBreaker::State::kClosed;
  std::size_t executors_connected = 0;
  std::size_t slots_free = 0;
  std::size_t slots_busy = 0;
  bool journal_degraded = false;
  std::uint64_t journal_write_errors = 0;
  std::uint64_t sweeper_errors = 0;
  std::uint64_t invariant_violations = 0;
};

// On the loop thread.
MetricsSnapshot TakeSnapshot(const IngestLoop& loop, MetricsDetail detail, const Instant& now);

void AddIngestMetrics(const MetricsSnapshot& snapshot, MetricsPage& page);

// The text of /metrics; any thread but the loop's. Checks the invariants first, so that a scrape
// that shows them broken says so. Throws std::runtime_error when the loop does not answer within
// the time that a scrape has (kScrapePatience).
std::string ScrapeIngest(EventLoop& event_loop, IngestLoop& loop, MetricsDetail detail,
                         MonoTime started, const Logger& logger);

}  // namespace runner::ingest
