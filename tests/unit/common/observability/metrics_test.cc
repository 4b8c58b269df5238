#include "common/observability/metrics.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using Table = std::vector<Metric<int>>;
using enum prometheus::MetricType;

TEST(MetricsTest, FamiliesHaveTheOrderOfTheTable) {
  const Table table = {{Gauge, "queue_depth", "Queued incidents.",
                        [](const int& depth, MetricSeries& series) {
                          series.Add(depth, {{"cluster", "a"}});
                          series.Add(depth + 1, {{"cluster", "b"}});
                        }},
                       {Counter, "events_total", "Events.",
                        [](const int&, MetricSeries& series) { series.Add(7); }}};
  EXPECT_EQ(MetricsText(CollectMetrics(table, 2)),
            "# HELP kubernetes_mcp_runner_queue_depth Queued incidents.\n"
            "# TYPE kubernetes_mcp_runner_queue_depth gauge\n"
            "kubernetes_mcp_runner_queue_depth{cluster=\"a\"} 2\n"
            "kubernetes_mcp_runner_queue_depth{cluster=\"b\"} 3\n"
            "# HELP kubernetes_mcp_runner_events_total Events.\n"
            "# TYPE kubernetes_mcp_runner_events_total counter\n"
            "kubernetes_mcp_runner_events_total 7\n");
}

TEST(MetricsTest, HistogramsAreCumulativeWithInclusiveBounds) {
  const std::vector<Metric<runner::Histogram>> table = {
      {Histogram, "latency_seconds", "Latency.",
       [](const runner::Histogram& latency, MetricSeries& series) { series.Add(latency); }}};
  runner::Histogram histogram({1, 5});
  for (const double value : {0.5, 1.0, 3.0, 9.0}) histogram.Observe(value);
  EXPECT_THAT(MetricsText(CollectMetrics(table, histogram)),
              EndsWith("kubernetes_mcp_runner_latency_seconds_count 4\n"
                       "kubernetes_mcp_runner_latency_seconds_sum 13.5\n"
                       "kubernetes_mcp_runner_latency_seconds_bucket{le=\"1\"} 2\n"
                       "kubernetes_mcp_runner_latency_seconds_bucket{le=\"5\"} 3\n"
                       "kubernetes_mcp_runner_latency_seconds_bucket{le=\"+Inf\"} 4\n"));
}

TEST(MetricsTest, AFamilyWithoutSeriesHasHelpAndType) {
  const Table table = {{Counter, "x", "X.", [](const int&, MetricSeries&) {}}};
  EXPECT_EQ(MetricsText(CollectMetrics(table, 0)),
            "# HELP kubernetes_mcp_runner_x X.\n# TYPE kubernetes_mcp_runner_x counter\n");
}

TEST(MetricsTest, LabelValuesCannotForgeSeries) {
  const Table table = {{Gauge, "x", "X.", [](const int&, MetricSeries& series) {
                          series.Add(1, {{"cluster", "a\"} 1\nforged 1 \xFF"}});
                        }}};
  EXPECT_THAT(MetricsText(CollectMetrics(table, 0)),
              HasSubstr("{cluster=\"a\\\"} 1\\nforged 1 \xEF\xBF\xBD\"} 1\n"));
}

struct Collected final : prometheus::Collectable {
  explicit Collected(std::string text) : name(std::move(text)) {}
  std::vector<prometheus::MetricFamily> Collect() const override {
    if (name.empty()) throw std::runtime_error("busy");
    return {{name, "X.", Gauge, {}}};
  }
  std::string name;
};

TEST(MetricsTest, TheHandlerServesEveryCollectableInOrder) {
  const Collected a("a");
  const Collected b("b");
  const HttpResponse response = MetricsHandler({&a, &b})({});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(response.body, "# HELP a X.\n# TYPE a gauge\n# HELP b X.\n# TYPE b gauge\n");
}

TEST(MetricsTest, ACollectableThatThrowsFailsTheScrape) {
  const Collected good("a");
  const Collected bad("");
  EXPECT_THROW(MetricsHandler({&good, &bad})({}), std::runtime_error);
}

}  // namespace
}  // namespace runner
