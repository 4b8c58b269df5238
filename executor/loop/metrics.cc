#include "executor/loop/metrics.h"

#include <stdexcept>
#include <string_view>

#include "common/loop/call_on_loop.h"
#include "common/observability/process_metrics.h"

namespace runner::executor {
namespace {

// One series for each cluster.
template <typename Add, typename Value>
void PerCluster(const RunCounters& counters, Add add, Value value) {
  for (const auto& [cluster, of_cluster] : counters.clusters()) {
    add(MetricLabels{{"cluster", cluster}}, static_cast<double>(value(of_cluster)));
  }
}

void AddByStatus(const RunCounters& counters, MetricsPage& page) {
  constexpr const char* kCompleted = "agents_completed_total";
  constexpr const char* kCompletedHelp = "Runs that came to their end.";
  constexpr const char* kDuration = "agent_duration_seconds";
  constexpr const char* kDurationHelp = "How long runs took.";
  page.DeclareCounter(kCompleted, kCompletedHelp);
  page.DeclareHistogram(kDuration, kDurationHelp);
  for (const auto& [cluster, of_cluster] : counters.clusters()) {
    for (std::size_t i = 0; i < kRunStatusCount; ++i) {
      if (of_cluster.completed[i] == 0) continue;
      const MetricLabels labels = {{"cluster", cluster},
                                   {"status", std::string(ToString(static_cast<RunStatus>(i)))}};
      page.Counter(kCompleted, kCompletedHelp, labels,
                   static_cast<double>(of_cluster.completed[i]));
      page.Histogram(kDuration, kDurationHelp, labels, of_cluster.duration[i]);
    }
  }
}

void AddRunMetrics(const RunCounters& counters, MetricsPage& page) {
  const auto counter = [&](const char* name, std::string_view help,
                           std::uint64_t ClusterRunCounters::* field) {
    page.DeclareCounter(name, help);
    PerCluster(
        counters,
        [&](const MetricLabels& labels, double value) { page.Counter(name, help, labels, value); },
        [field](const ClusterRunCounters& c) { return c.*field; });
  };
  counter("agents_spawned_total", "Runs begun, those that failed to start included.",
          &ClusterRunCounters::spawned);
  counter("agents_timeout_total", "Runs stopped at the timeout.", &ClusterRunCounters::timeouts);
  constexpr const char* kActive = "agents_active";
  constexpr const char* kActiveHelp = "Runs under way.";
  page.DeclareGauge(kActive, kActiveHelp);
  PerCluster(
      counters,
      [&](const MetricLabels& labels, double value) {
        page.Gauge(kActive, kActiveHelp, labels, value);
      },
      [](const ClusterRunCounters& c) { return c.active; });
  AddByStatus(counters, page);
  counter("agent_output_dropped_bytes_total", "Output of agents beyond what is kept.",
          &ClusterRunCounters::output_dropped_bytes);
  counter("agent_orphans_killed_total", "Processes that agents had left running.",
          &ClusterRunCounters::orphans_killed);
}

}  // namespace

void AddExecutorMetrics(const MetricsSnapshot& snapshot, MetricsPage& page) {
  AddRunMetrics(snapshot.runs, page);
  page.Gauge("ingest_connected", "1 while attached to ingest.", {}, snapshot.attached ? 1 : 0);
  page.Gauge("executor_tainted", "1 once a run could not be contained.", {},
             snapshot.tainted ? 1 : 0);
}

std::string ScrapeExecutor(EventLoop& event_loop, const ExecutorLoop& loop, MonoTime started,
                           const Logger& logger) {
  const auto question = [&loop] {
    const Supervisor& supervisor = loop.supervisor();
    return MetricsSnapshot{supervisor.counters(), loop.attached(), supervisor.tainted()};
  };
  const auto snapshot = CallOnLoop<MetricsSnapshot>(event_loop, question, kScrapePatience);
  if (!snapshot) throw std::runtime_error("the main loop does not answer");
  MetricsPage page;
  AddProgramMetrics(page, "executor", event_loop.Now().mono - started, logger.lines_dropped());
  AddProcessMetrics(page);
  AddExecutorMetrics(*snapshot, page);
  return page.Text();
}

}  // namespace runner::executor
