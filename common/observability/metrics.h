#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "common/base/clock.h"
#include "common/base/histogram.h"
#include "common/observability/http_server.h"

namespace runner {

// Every metric of this project has it; the standard process_* metrics have not.
inline constexpr std::string_view kMetricPrefix = "kubernetes_mcp_runner_";

// Prometheus expects an answer within a second: a scrape waits no longer for a busy loop.
inline constexpr Duration kScrapeTimeout = std::chrono::milliseconds(800);

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// The series of one family while they are collected. Label values are made valid UTF-8.
class MetricSeries {
 public:
  // `family` outlives this.
  explicit MetricSeries(prometheus::MetricFamily& family) : family_(family) {}

  void Add(double value, const MetricLabels& labels = {});
  void Add(std::integral auto value, const MetricLabels& labels = {}) {
    Add(static_cast<double>(value), labels);
  }
  void Add(const Histogram& histogram, const MetricLabels& labels = {});

 private:
  prometheus::MetricFamily& family_;
};

// A row of a table of metrics: one family, and the series that `source` has of it.
template <typename Source>
struct Metric {
  prometheus::MetricType type;
  std::string_view name;  // without the prefix
  std::string_view help;
  std::function<void(const Source& source, MetricSeries& series)> collect;
};

// One family for each row, in order. A family without series is shown with HELP and TYPE alone.
template <typename Source>
std::vector<prometheus::MetricFamily> CollectMetrics(const std::vector<Metric<Source>>& table,
                                                     const Source& source,
                                                     std::string_view prefix = kMetricPrefix) {
  std::vector<prometheus::MetricFamily> families;
  families.reserve(table.size());
  for (const Metric<Source>& row : table) {
    families.push_back({std::string(prefix).append(row.name), std::string(row.help), row.type, {}});
    MetricSeries series(families.back());
    row.collect(source, series);
  }
  return families;
}

// The Prometheus text format, version 0.0.4.
std::string MetricsText(const std::vector<prometheus::MetricFamily>& families);

// Serves /metrics: what the collectables show, in their order. They outlive the handler, and are
// called on the thread of the server; one that throws fails the scrape.
HttpHandler MetricsHandler(std::vector<const prometheus::Collectable*> collectables);

}  // namespace runner
