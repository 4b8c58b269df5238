#include "common/observability/metrics.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <sstream>

#include <prometheus/text_serializer.h>

#include "common/base/heap.h"
#include "common/base/utf8.h"

namespace runner {
namespace {

using prometheus::ClientMetric;

ClientMetric& AddMetric(prometheus::MetricFamily& family, const MetricLabels& labels) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label.reserve(labels.size());
  for (const auto& [name, value] : labels) metric.label.push_back({name, SanitizeUtf8(value)});
  return metric;
}

}  // namespace

void MetricSeries::Add(double value, const MetricLabels& labels) {
  ClientMetric& metric = AddMetric(family_, labels);
  if (family_.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void MetricSeries::Add(const Histogram& histogram, const MetricLabels& labels) {
  ClientMetric& metric = AddMetric(family_, labels);
  metric.histogram.sample_count = histogram.Count();
  metric.histogram.sample_sum = histogram.Sum();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < histogram.Bounds().size(); ++i) {
    cumulative += histogram.Counts()[i];
    metric.histogram.bucket.push_back({cumulative, histogram.Bounds()[i]});
  }
}

std::string MetricsText(const std::vector<prometheus::MetricFamily>& families) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

HttpHandler MetricsHandler(std::vector<const prometheus::Collectable*> collectables) {
  return [collectables = std::move(collectables)](const HttpRequest&) {
    HttpResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    {
      std::vector<prometheus::MetricFamily> families;
      for (const prometheus::Collectable* collectable : collectables) {
        std::vector<prometheus::MetricFamily> collected = collectable->Collect();
        families.insert(families.end(), std::make_move_iterator(collected.begin()),
                        std::make_move_iterator(collected.end()));
      }
      response.body = MetricsText(families);
    }
    // Bytes of text above which the freed memory is returned: families of many clusters take ten
    // times as much as their text.
    constexpr std::size_t kLarge = 1'000'000;
    if (response.body.size() > kLarge) TrimHeap();
    return response;
  };
}

}  // namespace runner
