#include "executor/loop/metrics.h"

#include <functional>
#include <stdexcept>
#include <string>

#include "common/loop/call_on_loop.h"
#include "common/observability/metrics.h"

namespace runner::executor {
namespace {

// One series for each cluster.
template <typename Value>
auto PerCluster(Value value) {
  return [value](const MetricsSnapshot& snapshot, MetricSeries& series) {
    for (const auto& [cluster, counters] : snapshot.runs.clusters()) {
      series.Add(std::invoke(value, counters), {{"cluster", cluster}});
    }
  };
}

// One series for each cluster and status that a run has had.
template <typename Value>
auto PerStatus(Value values) {
  return [values](const MetricsSnapshot& snapshot, MetricSeries& series) {
    for (const auto& [cluster, counters] : snapshot.runs.clusters()) {
      for (std::size_t i = 0; i < kRunStatusCount; ++i) {
        if (counters.completed[i] == 0) continue;
        series.Add(
            std::invoke(values, counters)[i],
            {{"cluster", cluster}, {"status", std::string(ToString(static_cast<RunStatus>(i)))}});
      }
    }
  };
}

const std::vector<Metric<MetricsSnapshot>>& Table() {
  using enum prometheus::MetricType;
  using Counters = ClusterRunCounters;
  static const std::vector<Metric<MetricsSnapshot>> table = {
      {Counter, "agents_spawned_total",
       "Runs started, including those whose agent could not start.",
       PerCluster(&Counters::spawned)},
      {Counter, "agents_timeout_total", "Runs stopped at the timeout.",
       PerCluster(&Counters::timeouts)},
      {Gauge, "agents_active", "Runs in progress.", PerCluster(&Counters::active)},
      {Counter, "agents_completed_total", "Finished runs.", PerStatus(&Counters::completed)},
      {Histogram, "agent_duration_seconds", "Duration of runs.", PerStatus(&Counters::duration)},
      {Counter, "agent_output_dropped_bytes_total", "Bytes of agent output beyond the kept limit.",
       PerCluster(&Counters::output_dropped_bytes)},
      {Counter, "agent_orphans_killed_total", "Processes killed that an agent had left running.",
       PerCluster(&Counters::orphans_killed)},
      {Gauge, "ingest_connected", "1 while attached to ingest.",
       [](const MetricsSnapshot& snapshot, MetricSeries& series) {
         series.Add(snapshot.attached ? 1 : 0);
       }},
      {Gauge, "executor_tainted", "1 once a run could not be contained.",
       [](const MetricsSnapshot& snapshot, MetricSeries& series) {
         series.Add(snapshot.tainted ? 1 : 0);
       }},
  };
  return table;
}

}  // namespace

std::vector<prometheus::MetricFamily> CollectExecutorMetrics(const MetricsSnapshot& snapshot) {
  return CollectMetrics(Table(), snapshot);
}

std::vector<prometheus::MetricFamily> ExecutorMetrics::Collect() const {
  const auto question = [this] {
    const Supervisor& supervisor = loop_.supervisor();
    return MetricsSnapshot{supervisor.counters(), loop_.attached(), supervisor.tainted()};
  };
  const auto snapshot = CallOnLoop<MetricsSnapshot>(event_loop_, question, kScrapeTimeout);
  if (!snapshot) throw std::runtime_error("the event loop did not answer in time");
  return CollectExecutorMetrics(*snapshot);
}

}  // namespace runner::executor
