#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/histogram.h"

namespace prometheus {
struct MetricFamily;
}

namespace runner {

inline constexpr std::string_view kMetricPrefix = "kubernetes_mcp_runner_";

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// The name of a metric; a plain string gets kMetricPrefix put before it, and converts by itself.
struct MetricName {
  // NOLINTBEGIN(google-explicit-constructor)
  MetricName(const char* name) : text(std::string(kMetricPrefix) + name) {}
  MetricName(std::string_view name) : text(std::string(kMetricPrefix).append(name)) {}
  MetricName(const std::string& name) : text(std::string(kMetricPrefix) + name) {}
  // NOLINTEND(google-explicit-constructor)
  // A name that stands as it is, such as process_open_fds.
  static MetricName Bare(std::string_view name);

  std::string text;

 private:
  struct AsIs {};
  MetricName(AsIs, std::string_view name) : text(name) {}
};

// One answer to a scrape, built from plain numbers: the owner of the numbers adds them in the order
// in which they are to be shown; families keep the order of their first mention. Not thread-safe:
// one page for each scrape. Naming one family with two types is a defect: std::logic_error.
class MetricsPage {
 public:
  MetricsPage();
  ~MetricsPage();
  MetricsPage(MetricsPage&&) noexcept;
  MetricsPage& operator=(MetricsPage&&) noexcept;

  // Adds one series, and its family when it is the first.
  void Counter(const MetricName& name, std::string_view help, const MetricLabels& labels,
               double value);
  void Gauge(const MetricName& name, std::string_view help, const MetricLabels& labels,
             double value);
  void Histogram(const MetricName& name, std::string_view help, const MetricLabels& labels,
                 const runner::Histogram& histogram);

  // Names a family that may have no series yet: it is shown with HELP and TYPE alone.
  void DeclareCounter(const MetricName& name, std::string_view help);
  void DeclareGauge(const MetricName& name, std::string_view help);
  void DeclareHistogram(const MetricName& name, std::string_view help);

  const std::vector<prometheus::MetricFamily>& Families() const;

  // Prometheus text format 0.0.4 and its content type.
  std::string Text() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace runner
