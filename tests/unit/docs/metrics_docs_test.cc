// docs/metrics.md says of each program exactly the metrics that it shows.

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include "common/observability/metrics.h"
#include "common/observability/process_metrics.h"
#include "executor/loop/metrics.h"
#include "ingest/loop/metrics.h"

namespace runner {
namespace {

using ::testing::ContainerEq;

// Name without the prefix, type, labels.
using Metric = std::tuple<std::string, std::string, std::set<std::string>>;
using Metrics = std::set<Metric>;

std::string TypeOf(const prometheus::MetricFamily& family) {
  switch (family.type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "another";
  }
}

Metrics Shown(const std::vector<prometheus::MetricFamily>& families) {
  Metrics metrics;
  for (const prometheus::MetricFamily& family : families) {
    std::set<std::string> labels;
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) labels.insert(label.name);
    }
    EXPECT_FALSE(family.metric.empty()) << family.name << ": add a series of it to this test";
    std::string name = family.name;
    if (name.starts_with(kMetricPrefix)) name.erase(0, kMetricPrefix.size());
    metrics.emplace(name, TypeOf(family), labels);
  }
  return metrics;
}

// The rows of the tables under the heading `## section`.
Metrics Documented(const std::string& section) {
  std::ifstream file(RUNNER_METRICS_DOCS);
  Metrics metrics;
  std::string heading;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (heading != section || !line.starts_with("| `")) continue;
    std::istringstream row(line.substr(2));
    std::vector<std::string> cells;
    for (std::string cell; std::getline(row, cell, '|');) {
      const auto begin = cell.find_first_not_of(" `");
      const auto end = cell.find_last_not_of(" `");
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    EXPECT_EQ(cells.size(), 4u) << line;
    std::set<std::string> labels;
    std::istringstream words(cells.at(2));
    for (std::string word; words >> word;) labels.insert(word.substr(0, word.find(',')));
    EXPECT_TRUE(metrics.emplace(cells.at(0), cells.at(1), labels).second) << "twice: " << line;
    EXPECT_NE(cells.at(3), "") << line;
  }
  return metrics;
}

TEST(MetricsDocs, TheTablesOfIngestAreWhatItShows) {
  using namespace ingest;
  MetricsSnapshot snapshot;
  MetricsSnapshot::Cluster& cluster = snapshot.clusters.emplace_back();
  cluster.name = "prod";
  cluster.counters.received[0] = 1;
  cluster.counters.invalid["json"] = 1;
  cluster.counters.filtered[FilterReason::kKind] = 1;
  cluster.counters.evicted[EvictReason::kOverflow] = 1;
  cluster.counters.finished[FinalStatus::kSuccess] = 1;
  cluster.reconnections["tls"] = 1;
  cluster.errors["tls"] = 1;
  cluster.durations = ConnectionState().durations;
  EXPECT_THAT(Documented("ingest"), ContainerEq(Shown(CollectIngestMetrics(snapshot))));
}

TEST(MetricsDocs, TheTableOfTheExecutorIsWhatItShows) {
  using namespace executor;
  MetricsSnapshot snapshot;
  snapshot.runs.Started("prod");
  snapshot.runs.Finished("prod", Outcome{}, 1);
  EXPECT_THAT(Documented("executor"), ContainerEq(Shown(CollectExecutorMetrics(snapshot))));
}

TEST(MetricsDocs, TheTableOfBothIsWhatBothShow) {
  const SystemClock clock;
  std::vector<prometheus::MetricFamily> both = ProgramMetrics("ingest", clock, Logger()).Collect();
  const auto process = ProcessMetrics().Collect();
  both.insert(both.end(), process.begin(), process.end());
  EXPECT_THAT(Documented("both"), ContainerEq(Shown(both)));
}

}  // namespace
}  // namespace runner
