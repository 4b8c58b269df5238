#include "common/observability/metrics_page.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "common/base/utf8.h"

namespace runner {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric MakeMetric(const MetricLabels& labels) {
  ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, SanitizeUtf8(value)});
  return metric;
}

}  // namespace

MetricName MetricName::Bare(std::string_view name) { return {AsIs{}, name}; }

struct MetricsPage::Content {
  std::vector<MetricFamily> families;

  MetricFamily& Family(const MetricName& name, std::string_view help, MetricType type) {
    const auto found = std::find_if(families.begin(), families.end(),
                                    [&](const MetricFamily& f) { return f.name == name.text; });
    if (found == families.end()) {
      return families.emplace_back(MetricFamily{name.text, std::string(help), type, {}});
    }
    if (found->type != type) throw std::logic_error("metric of two types: " + name.text);
    return *found;
  }
};

MetricsPage::MetricsPage() : content_(std::make_unique<Content>()) {}
MetricsPage::~MetricsPage() = default;
MetricsPage::MetricsPage(MetricsPage&&) noexcept = default;
MetricsPage& MetricsPage::operator=(MetricsPage&&) noexcept = default;

void MetricsPage::Counter(const MetricName& name, std::string_view help, const MetricLabels& labels,
                          double value) {
  ClientMetric metric = MakeMetric(labels);
  metric.counter.value = value;
  content_->Family(name, help, MetricType::Counter).metric.push_back(std::move(metric));
}

void MetricsPage::Gauge(const MetricName& name, std::string_view help, const MetricLabels& labels,
                        double value) {
  ClientMetric metric = MakeMetric(labels);
  metric.gauge.value = value;
  content_->Family(name, help, MetricType::Gauge).metric.push_back(std::move(metric));
}

void MetricsPage::Histogram(const MetricName& name, std::string_view help,
                            const MetricLabels& labels, const runner::Histogram& histogram) {
  ClientMetric metric = MakeMetric(labels);
  metric.histogram.sample_count = histogram.Count();
  metric.histogram.sample_sum = histogram.Sum();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < histogram.Bounds().size(); ++i) {
    cumulative += histogram.Counts()[i];
    metric.histogram.bucket.push_back({cumulative, histogram.Bounds()[i]});
  }
  content_->Family(name, help, MetricType::Histogram).metric.push_back(std::move(metric));
}

void MetricsPage::DeclareCounter(const MetricName& name, std::string_view help) {
  content_->Family(name, help, MetricType::Counter);
}

void MetricsPage::DeclareGauge(const MetricName& name, std::string_view help) {
  content_->Family(name, help, MetricType::Gauge);
}

void MetricsPage::DeclareHistogram(const MetricName& name, std::string_view help) {
  content_->Family(name, help, MetricType::Histogram);
}

const std::vector<MetricFamily>& MetricsPage::Families() const { return content_->families; }

std::string MetricsPage::Text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, content_->families);
  return std::move(out).str();
}

}  // namespace runner
