#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "common/loop/event_loop.h"
#include "common/observability/metrics.h"
#include "ingest/loop/ingest_loop.h"

namespace runner::ingest {

enum class MetricsDetail {
  kPerCluster,  // one series for each cluster
  kSummed,      // one series for all clusters, cluster="all"; for thousands of clusters
};

// A consistent copy of all values of one scrape.
struct MetricsSnapshot {
  // One cluster, or the sum of all with the earliest `oldest_queued` and the latest `last_event`.
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
    std::optional<Histogram> durations;  // set once a subscription has ended
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

// Call on the loop thread.
MetricsSnapshot TakeSnapshot(const IngestLoop& loop, MetricsDetail detail, const Instant& now);

std::vector<prometheus::MetricFamily> CollectIngestMetrics(const MetricsSnapshot& snapshot);

// The metrics of ingest. Collect may be called on any thread except the loop thread. It checks the
// invariants first, so that the scrape that finds a violation counts it. Throws std::runtime_error
// if the loop does not respond within kScrapeTimeout.
class IngestMetrics final : public prometheus::Collectable {
 public:
  // `event_loop` and `loop` must outlive this.
  IngestMetrics(EventLoop& event_loop, IngestLoop& loop, MetricsDetail detail)
      : event_loop_(event_loop), loop_(loop), detail_(detail) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  EventLoop& event_loop_;
  IngestLoop& loop_;
  const MetricsDetail detail_;
};

}  // namespace runner::ingest
