#include "ingest/loop/metrics.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "common/base/heap.h"
#include "common/loop/call_on_loop.h"
#include "common/observability/process_metrics.h"

namespace runner::ingest {
namespace {

using Cluster = MetricsSnapshot::Cluster;

std::string_view SeverityWord(std::size_t index) {
  return index == kUnknownSeverity ? "unknown" : ToString(static_cast<Severity>(index));
}

// One series for each cluster.
template <typename Value>
void PerCluster(const MetricsSnapshot& snapshot, MetricsPage& page, bool is_counter,
                const char* name, std::string_view help, Value value) {
  for (const Cluster& cluster : snapshot.clusters) {
    const MetricLabels labels = {{"cluster", cluster.name}};
    if (is_counter) {
      page.Counter(name, help, labels, static_cast<double>(value(cluster)));
    } else {
      page.Gauge(name, help, labels, static_cast<double>(value(cluster)));
    }
  }
}

// One series for each cluster and word; none until a word was seen.
template <typename Words>
void PerWord(const MetricsSnapshot& snapshot, MetricsPage& page, const char* name,
             std::string_view help, const char* label, Words words) {
  page.DeclareCounter(name, help);
  for (const Cluster& cluster : snapshot.clusters) {
    for (const auto& [word, count] : words(cluster)) {
      page.Counter(name, help, {{"cluster", cluster.name}, {label, word}},
                   static_cast<double>(count));
    }
  }
}

void AddEventFlow(const MetricsSnapshot& snapshot, MetricsPage& page) {
  constexpr const char* kReceived = "events_received_total";
  constexpr const char* kReceivedHelp = "Fault events that came in, valid or not.";
  page.DeclareCounter(kReceived, kReceivedHelp);
  for (const Cluster& cluster : snapshot.clusters) {
    for (std::size_t i = 0; i < cluster.counters.received.size(); ++i) {
      if (cluster.counters.received[i] == 0) continue;
      page.Counter(kReceived, kReceivedHelp,
                   {{"cluster", cluster.name}, {"severity", std::string(SeverityWord(i))}},
                   static_cast<double>(cluster.counters.received[i]));
    }
  }
  PerWord(snapshot, page, "events_invalid_total", "Events dropped as malformed.", "reason",
          [](const Cluster& c) -> const auto& { return c.counters.invalid; });
  PerWord(snapshot, page, "events_filtered_total", "Events that deserve no investigation.",
          "reason", [](const Cluster& c) -> const auto& { return c.counters.filtered; });
  const auto counter = [&](const char* name, std::string_view help,
                           std::uint64_t ClusterCounters::* field) {
    PerCluster(snapshot, page, true, name, help,
               [field](const Cluster& c) { return c.counters.*field; });
  };
  counter("events_queued_total", "Events accepted as incidents.", &ClusterCounters::queued);
  counter("circuit_breaker_events_dropped_total",
          "Events dropped because the circuit breaker was open.",
          &ClusterCounters::breaker_dropped);
  counter("events_restored_total", "Incidents that waited before a restart.",
          &ClusterCounters::restored);
  counter("events_requeued_total", "Incidents that went back to the queue.",
          &ClusterCounters::requeued);
  counter("events_dequeued_total", "Incidents offered to an executor.", &ClusterCounters::dequeued);
  counter("events_expired_total", "Incidents that waited too long.", &ClusterCounters::expired);
  counter("events_rejected_total", "Events refused by a full queue.", &ClusterCounters::rejected);
  PerWord(snapshot, page, "events_evicted_total", "Incidents removed from the queue.", "reason",
          [](const Cluster& c) -> const auto& { return c.counters.evicted; });
  PerCluster(snapshot, page, false, "queue_depth", "Incidents that wait.",
             [](const Cluster& c) { return c.depth; });
  PerCluster(snapshot, page, false, "incidents_leased", "Incidents that an executor holds.",
             [](const Cluster& c) { return c.leased; });
  PerCluster(
      snapshot, page, false, "queue_oldest_event_timestamp_seconds",
      "When the longest waiting incident was received; 0 when none waits.",
      [](const Cluster& c) { return c.oldest_queued ? ToUnixSeconds(*c.oldest_queued) : 0; });
}

void AddConnections(const MetricsSnapshot& snapshot, MetricsPage& page) {
  PerCluster(snapshot, page, true, "events_backfilled_total",
             "Events found after a gap; counted as received, too.",
             [](const Cluster& c) { return c.backfilled; });
  PerCluster(snapshot, page, true, "list_entries_dropped_total",
             "Event list entries dropped because they were over the limit or unreadable.",
             [](const Cluster& c) { return c.list_entries_dropped; });
  constexpr const char* kActive = "sse_connections_active";
  constexpr const char* kActiveHelp = "1 while subscribed to the MCP server of the cluster.";
  page.DeclareGauge(kActive, kActiveHelp);
  for (const Cluster& cluster : snapshot.clusters) {
    // A removed one is not to be missed.
    if (!cluster.configured) continue;
    page.Gauge(kActive, kActiveHelp, {{"cluster", cluster.name}},
               static_cast<double>(cluster.subscribed));
  }
  PerWord(snapshot, page, "sse_reconnections_total", "Attempts to reconnect, by what made them.",
          "reason", [](const Cluster& c) -> const auto& { return c.reconnections; });
  PerWord(snapshot, page, "sse_connection_errors_total", "Connections that failed.", "reason",
          [](const Cluster& c) -> const auto& { return c.errors; });
  constexpr const char* kDuration = "sse_connection_duration_seconds";
  constexpr const char* kDurationHelp = "How long subscriptions lasted.";
  page.DeclareHistogram(kDuration, kDurationHelp);
  for (const Cluster& cluster : snapshot.clusters) {
    if (!cluster.durations) continue;
    page.Histogram(kDuration, kDurationHelp, {{"cluster", cluster.name}}, *cluster.durations);
  }
  PerCluster(snapshot, page, false, "sse_last_event_timestamp_seconds",
             "When the latest event came; 0 before the first.",
             [](const Cluster& c) { return c.last_event ? ToUnixSeconds(*c.last_event) : 0; });
  PerCluster(snapshot, page, true, "sse_gap_seconds_total",
             "Time without a subscription, after the first one.",
             [](const Cluster& c) { return ToSeconds(c.gap); });
}

void AddDispatch(const MetricsSnapshot& snapshot, MetricsPage& page) {
  page.Histogram("dispatch_latency_seconds", "From the received event to the started agent.", {},
                 snapshot.scheduler.dispatch_latency);
  page.Gauge("circuit_breaker_state", "0 closed, 1 open, 2 half-open.", {},
             static_cast<double>(snapshot.breaker));
  page.Gauge("executors_connected", "Executors that are attached.", {},
             static_cast<double>(snapshot.executors_connected));
  constexpr const char* kSlots = "executor_slots";
  constexpr const char* kSlotsHelp = "Agents that the attached executors may run.";
  page.Gauge(kSlots, kSlotsHelp, {{"state", "free"}}, static_cast<double>(snapshot.slots_free));
  page.Gauge(kSlots, kSlotsHelp, {{"state", "busy"}}, static_cast<double>(snapshot.slots_busy));
  PerCluster(snapshot, page, true, "leases_expired_total",
             "Leases lost because their executor stayed away.",
             [](const Cluster& c) { return c.counters.leases_expired; });
  PerCluster(snapshot, page, true, "leases_restored_total",
             "Incidents that an executor held before a restart.",
             [](const Cluster& c) { return c.counters.leases_restored; });
  PerWord(snapshot, page, "incidents_finished_total", "Incidents that came to their end.", "status",
          [](const Cluster& c) -> const auto& { return c.counters.finished; });
}

void AddSelfChecks(const MetricsSnapshot& snapshot, MetricsPage& page) {
  page.Gauge("journal_degraded", "1 while incidents are kept in memory because the disk fails.", {},
             snapshot.journal_degraded ? 1 : 0);
  const auto counter = [&](const char* name, std::string_view help, std::uint64_t value) {
    page.Counter(name, help, {}, static_cast<double>(value));
  };
  counter("journal_write_errors_total", "Writes to the journal that failed.",
          snapshot.journal_write_errors);
  counter("sweeper_errors_total", "Incidents that a sweep failed to expire.",
          snapshot.sweeper_errors);
  counter("invariant_violations_total", "Checks that found the books wrong or a limit exceeded.",
          snapshot.invariant_violations);
}

std::string Scrape(EventLoop& event_loop, IngestLoop& loop, MetricsDetail detail, MonoTime started,
                   const Logger& logger) {
  const auto question = [&event_loop, &loop, detail] {
    loop.CheckInvariants();
    return TakeSnapshot(loop, detail, event_loop.Now());
  };
  const auto snapshot = CallOnLoop<MetricsSnapshot>(event_loop, question, kScrapePatience);
  if (!snapshot) throw std::runtime_error("the main loop does not answer");
  MetricsPage page;
  AddProgramMetrics(page, "ingest", event_loop.Now().mono - started, logger.lines_dropped());
  AddProcessMetrics(page);
  AddIngestMetrics(*snapshot, page);
  return page.Text();
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
  AddWords(reconnections, connection.reconnections);
  AddWords(errors, connection.errors);
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

void AddIngestMetrics(const MetricsSnapshot& snapshot, MetricsPage& page) {
  AddEventFlow(snapshot, page);
  AddConnections(snapshot, page);
  AddDispatch(snapshot, page);
  AddSelfChecks(snapshot, page);
}

std::string ScrapeIngest(EventLoop& event_loop, IngestLoop& loop, MetricsDetail detail,
                         MonoTime started, const Logger& logger) {
  // The snapshot and the page of many clusters take ten times as much, in two arenas.
  constexpr std::size_t kLarge = 1'000'000;
  std::string text = Scrape(event_loop, loop, detail, started, logger);
  if (text.size() > kLarge) TrimHeap();
  return text;
}

}  // namespace runner::ingest
