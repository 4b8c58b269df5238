#include "common/observability/metrics_page.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(MetricsPageTest, WritesFamiliesInTheOrderOfTheirFirstMention) {
  MetricsPage page;
  page.Gauge("queue_depth", "Queued incidents.", {{"cluster", "a"}}, 2);
  page.Counter("events_total", "Events.", {}, 7);
  page.Gauge("queue_depth", "Queued incidents.", {{"cluster", "b"}}, 3);
  EXPECT_EQ(page.Text(),
            "# HELP kubernetes_mcp_runner_queue_depth Queued incidents.\n"
            "# TYPE kubernetes_mcp_runner_queue_depth gauge\n"
            "kubernetes_mcp_runner_queue_depth{cluster=\"a\"} 2\n"
            "kubernetes_mcp_runner_queue_depth{cluster=\"b\"} 3\n"
            "# HELP kubernetes_mcp_runner_events_total Events.\n"
            "# TYPE kubernetes_mcp_runner_events_total counter\n"
            "kubernetes_mcp_runner_events_total 7\n");
}

TEST(MetricsPageTest, HistogramsAreCumulativeWithInclusiveBounds) {
  Histogram histogram({1, 5});
  for (const double value : {0.5, 1.0, 3.0, 9.0}) histogram.Observe(value);
  MetricsPage page;
  page.Histogram("latency_seconds", "Latency.", {}, histogram);
  EXPECT_THAT(page.Text(), testing::EndsWith("kubernetes_mcp_runner_latency_seconds_count 4\n"
                                             "kubernetes_mcp_runner_latency_seconds_sum 13.5\n"
                                             "kubernetes_mcp_runner_latency_seconds_bucket"
                                             "{le=\"1\"} 2\n"
                                             "kubernetes_mcp_runner_latency_seconds_bucket"
                                             "{le=\"5\"} 3\n"
                                             "kubernetes_mcp_runner_latency_seconds_bucket"
                                             "{le=\"+Inf\"} 4\n"));
}

TEST(MetricsPageTest, DeclaredFamiliesNeedNoSeries) {
  MetricsPage page;
  page.DeclareCounter("events_filtered_total", "Filtered events.");
  EXPECT_EQ(page.Text(),
            "# HELP kubernetes_mcp_runner_events_filtered_total Filtered events.\n"
            "# TYPE kubernetes_mcp_runner_events_filtered_total counter\n");
}

TEST(MetricsPageTest, LabelValuesCannotForgeSeries) {
  MetricsPage page;
  page.Gauge("x", "X.", {{"cluster", "a\"} 1\nforged 1 \xFF"}}, 1);
  EXPECT_THAT(page.Text(),
              testing::HasSubstr("{cluster=\"a\\\"} 1\\nforged 1 \xEF\xBF\xBD\"} 1\n"));
}

TEST(MetricsPageTest, BareNamesHaveNoPrefix) {
  MetricsPage page;
  page.Gauge(MetricName::Bare("process_threads"), "Threads.", {}, 1);
  EXPECT_THAT(page.Text(), testing::HasSubstr("\nprocess_threads 1\n"));
}

TEST(MetricsPageTest, OneNameHasOneType) {
  MetricsPage page;
  page.Gauge("x", "X.", {}, 1);
  EXPECT_THROW(page.Counter("x", "X.", {}, 1), std::logic_error);
}

}  // namespace
}  // namespace runner
