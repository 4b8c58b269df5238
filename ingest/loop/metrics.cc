#include "ingest/loop/metrics.h"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string_view>

#include "common/loop/call_on_loop.h"

namespace runner::ingest {
namespace {

using Cluster = MetricsSnapshot::Cluster;

// One series for each cluster. `value` is a function or a member of Cluster.
template <typename Value>
auto PerCluster(Value value) {
  return [value](const MetricsSnapshot& snapshot, MetricSeries& series) {
    for (const Cluster& cluster : snapshot.clusters) {
      series.Add(std::invoke(value, cluster), {{"cluster", cluster.name}});
    }
  };
}

auto PerCluster(std::uint64_t ClusterCounters::* field) {
  return PerCluster([field](const Cluster& cluster) { return cluster.counters.*field; });
}

const std::string& WordOf(const std::string& word) { return word; }
std::string WordOf(auto value) { return std::string(ToString(value)); }

// One series for each cluster and key; keys that were never counted have none.
template <typename Words>
auto PerWord(const char* label, Words words) {
  return [label, words](const MetricsSnapshot& snapshot, MetricSeries& series) {
    for (const Cluster& cluster : snapshot.clusters) {
      for (const auto& [word, count] : std::invoke(words, cluster)) {
        series.Add(count, {{"cluster", cluster.name}, {label, WordOf(word)}});
      }
    }
  };
}

template <typename Key>
auto PerWord(const char* label, CountsBy<Key> ClusterCounters::* counts) {
  return PerWord(label, [counts](const Cluster& cluster) -> const CountsBy<Key>& {
    return cluster.counters.*counts;
  });
}

// One series without labels.
template <typename Value>
auto Single(Value value) {
  return [value](const MetricsSnapshot& snapshot, MetricSeries& series) {
    series.Add(std::invoke(value, snapshot));
  };
}

void AddReceived(const MetricsSnapshot& snapshot, MetricSeries& series) {
  for (const Cluster& cluster : snapshot.clusters) {
    const auto& received = cluster.counters.received;
    for (std::size_t i = 0; i < received.size(); ++i) {
      if (received[i] == 0) continue;
      const std::string_view severity =
          i == kUnknownSeverity ? "unknown" : ToString(static_cast<Severity>(i));
      series.Add(received[i], {{"cluster", cluster.name}, {"severity", std::string(severity)}});
    }
  }
}

void AddActiveConnections(const MetricsSnapshot& snapshot, MetricSeries& series) {
  for (const Cluster& cluster : snapshot.clusters) {
    // An alert on a removed cluster would never resolve.
    if (cluster.configured) series.Add(cluster.subscribed, {{"cluster", cluster.name}});
  }
}

void AddDurations(const MetricsSnapshot& snapshot, MetricSeries& series) {
  for (const Cluster& cluster : snapshot.clusters) {
    if (cluster.durations) series.Add(*cluster.durations, {{"cluster", cluster.name}});
  }
}

void AddSlots(const MetricsSnapshot& snapshot, MetricSeries& series) {
  series.Add(snapshot.slots_free, {{"state", "free"}});
  series.Add(snapshot.slots_busy, {{"state", "busy"}});
}

double SecondsOrZero(const std::optional<WallTime>& time) {
  return time ? ToUnixSeconds(*time) : 0;
}

const std::vector<Metric<MetricsSnapshot>>& Table() {
  using enum prometheus::MetricType;
  static const std::vector<Metric<MetricsSnapshot>> table = {
      {Counter, "events_received_total", "Events received, malformed ones included.", AddReceived},
      {Counter, "events_invalid_total", "Events dropped because they were malformed.",
       PerWord("reason", &ClusterCounters::invalid)},
      {Counter, "events_filtered_total", "Events dropped by a filter or as duplicates.",
       PerWord("reason", &ClusterCounters::filtered)},
      {Counter, "events_queued_total", "Events accepted as incidents.",
       PerCluster(&ClusterCounters::queued)},
      {Counter, "circuit_breaker_events_dropped_total",
       "Events dropped because the circuit breaker was open.",
       PerCluster(&ClusterCounters::breaker_dropped)},
      {Counter, "events_restored_total", "Queued incidents restored after a restart.",
       PerCluster(&ClusterCounters::restored)},
      {Counter, "events_requeued_total", "Incidents returned to the queue.",
       PerCluster(&ClusterCounters::requeued)},
      {Counter, "events_dequeued_total", "Incidents offered to an executor.",
       PerCluster(&ClusterCounters::dequeued)},
      {Counter, "events_expired_total", "Incidents expired in the queue.",
       PerCluster(&ClusterCounters::expired)},
      {Counter, "events_rejected_total", "Events rejected because a queue was full.",
       PerCluster(&ClusterCounters::rejected)},
      {Counter, "events_evicted_total", "Queued incidents evicted.",
       PerWord("reason", &ClusterCounters::evicted)},
      {Gauge, "queue_depth", "Queued incidents.", PerCluster(&Cluster::depth)},
      {Gauge, "incidents_leased", "Incidents leased to an executor.", PerCluster(&Cluster::leased)},
      {Gauge, "queue_oldest_event_timestamp_seconds",
       "Unix time at which the oldest queued incident was received; 0 if the queue is empty.",
       PerCluster([](const Cluster& cluster) { return SecondsOrZero(cluster.oldest_queued); })},
      {Counter, "events_backfilled_total",
       "Events found after a gap; events_received_total counts them as well.",
       PerCluster(&Cluster::backfilled)},
      {Counter, "list_entries_dropped_total",
       "Event list entries dropped because they were over the limit or unreadable.",
       PerCluster(&Cluster::list_entries_dropped)},
      {Gauge, "sse_connections_active", "1 while ingest is subscribed to the MCP server.",
       AddActiveConnections},
      {Counter, "sse_reconnections_total", "Attempts to reconnect, by the error before.",
       PerWord("reason", &Cluster::reconnections)},
      {Counter, "sse_connection_errors_total", "Failed connections and connection attempts.",
       PerWord("reason", &Cluster::errors)},
      {Histogram, "sse_connection_duration_seconds", "Duration of subscriptions.", AddDurations},
      {Gauge, "sse_last_event_timestamp_seconds",
       "Unix time of the latest event; 0 before the first one.",
       PerCluster([](const Cluster& cluster) { return SecondsOrZero(cluster.last_event); })},
      {Counter, "sse_gap_seconds_total", "Seconds without a subscription after the first one.",
       PerCluster([](const Cluster& cluster) { return ToSeconds(cluster.gap); })},
      {Histogram, "dispatch_latency_seconds",
       "Time from the received event to the start of its agent.",
       Single([](const MetricsSnapshot& snapshot) -> const runner::Histogram& {
         return snapshot.scheduler.dispatch_latency;
       })},
      {Gauge, "circuit_breaker_state", "0 closed, 1 open, 2 half-open.",
       Single([](const MetricsSnapshot& snapshot) { return static_cast<int>(snapshot.breaker); })},
      {Gauge, "executors_connected", "Attached executors.",
       Single(&MetricsSnapshot::executors_connected)},
      {Gauge, "executor_slots", "Slots of the attached executors.", AddSlots},
      {Counter, "leases_expired_total",
       "Leases lost because their executor did not return in time.",
       PerCluster(&ClusterCounters::leases_expired)},
      {Counter, "leases_restored_total", "Leases restored after a restart.",
       PerCluster(&ClusterCounters::leases_restored)},
      {Counter, "incidents_finished_total", "Finished incidents.",
       PerWord("status", &ClusterCounters::finished)},
      {Gauge, "journal_degraded",
       "1 while incidents are kept in memory because the journal cannot be written.",
       Single([](const MetricsSnapshot& snapshot) { return snapshot.journal_degraded ? 1 : 0; })},
      {Counter, "journal_write_errors_total", "Failed writes to the journal.",
       Single(&MetricsSnapshot::journal_write_errors)},
      {Counter, "sweeper_errors_total", "Incidents that a sweep could not expire.",
       Single(&MetricsSnapshot::sweeper_errors)},
      {Counter, "invariant_violations_total",
       "Self-checks that found a wrong count or an exceeded limit.",
       Single(&MetricsSnapshot::invariant_violations)},
  };
  return table;
}

}  // namespace

void MetricsSnapshot::Cluster::Add(const Scheduler::ClusterView& view,
                                   const ConnectionState& connection, MonoTime now) {
  counters.Add(view.counters);
  depth += view.depth;
  leased += view.leased;
  if (view.oldest_queued && (!oldest_queued || *view.oldest_queued < *oldest_queued)) {
    oldest_queued = view.oldest_queued;
  }
  subscribed += connection.subscribed ? 1 : 0;
  backfilled += connection.backfilled;
  list_entries_dropped += connection.list_entries_dropped;
  AddCounts(reconnections, connection.reconnections);
  AddCounts(errors, connection.errors);
  if (connection.durations.Count() > 0) {
    if (durations) {
      durations->Add(connection.durations);
    } else {
      durations = connection.durations;
    }
  }
  last_event = std::max(last_event, connection.last_event);
  gap += connection.GapUntil(now);
}

MetricsSnapshot TakeSnapshot(const IngestLoop& loop, MetricsDetail detail, const Instant& now) {
  MetricsSnapshot snapshot;
  const Scheduler& scheduler = loop.scheduler();
  if (detail == MetricsDetail::kSummed) snapshot.clusters.emplace_back().name = "all";
  for (ClusterIndex i = 0; i < scheduler.cluster_count(); ++i) {
    const Scheduler::ClusterView view = scheduler.View(i);
    if (detail == MetricsDetail::kPerCluster) {
      snapshot.clusters.emplace_back().name = view.name;
      snapshot.clusters.back().configured = view.configured;
    }
    snapshot.clusters.back().Add(view, loop.connections().Of(i), now.mono);
  }
  snapshot.scheduler = scheduler.counters();
  snapshot.breaker = scheduler.breaker().state();
  for (const auto& [id, executor] : scheduler.leases().executors()) {
    if (!executor.attached()) continue;
    ++snapshot.executors_connected;
    snapshot.slots_busy += executor.leases.size();
    snapshot.slots_free += executor.FreeSlots();
  }
  snapshot.journal_degraded = loop.journal().degraded();
  snapshot.journal_write_errors = loop.journal().write_errors();
  snapshot.sweeper_errors = loop.sweeper_errors();
  snapshot.invariant_violations = loop.invariant_violations();
  return snapshot;
}

std::vector<prometheus::MetricFamily> CollectIngestMetrics(const MetricsSnapshot& snapshot) {
  return CollectMetrics(Table(), snapshot);
}

std::vector<prometheus::MetricFamily> IngestMetrics::Collect() const {
  const auto question = [this] {
    loop_.CheckInvariants();
    return TakeSnapshot(loop_, detail_, event_loop_.Now());
  };
  const auto snapshot = CallOnLoop<MetricsSnapshot>(event_loop_, question, kScrapeTimeout);
  if (!snapshot) throw std::runtime_error("the event loop did not answer in time");
  return CollectIngestMetrics(*snapshot);
}

}  // namespace runner::ingest
