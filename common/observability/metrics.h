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

// The prefix of every metric except the standard process_* metrics.
inline constexpr std::string_view kMetricPrefix = "kubernetes_mcp_runner_";

// Prometheus expects a response within a second: a scrape waits at most this long for a busy loop.
inline constexpr Duration kScrapeTimeout = std::chrono::milliseconds(800);

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// The series of one family during a collection. Label values are converted to valid UTF-8.
class MetricSeries {
 public:
  // `family` must outlive this.
  explicit MetricSeries(prometheus::MetricFamily& family) : family_(family) {}

  void Add(double value, const MetricLabels& labels = {});
  void Add(std::integral auto value, const MetricLabels& labels = {}) {
    Add(static_cast<double>(value), labels);
  }
  void Add(const Histogram& histogram, const MetricLabels& labels = {});

 private:
  prometheus::MetricFamily& family_;
};

// A row of a table of metrics: one family, and a function that adds the series of a `source`.
template <typename Source>
struct Metric {
  prometheus::MetricType type;
  std::string_view name;  // without the prefix
  std::string_view help;
  std::function<void(const Source& source, MetricSeries& series)> collect;
};

// Collects one family for each row, in order. A family without series has only HELP and TYPE.
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

// Renders the Prometheus text format, version 0.0.4.
std::string MetricsText(const std::vector<prometheus::MetricFamily>& families);

// Serves /metrics with the families of the collectables, in their order. The collectables must
// outlive the handler and are called on the thread of the server; if one throws, the scrape fails.
HttpHandler MetricsHandler(std::vector<const prometheus::Collectable*> collectables);

}  // namespace runner
