#include "ingest/loop/metrics.h"

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include "common/observability/metrics.h"
#include "tests/unit/ingest/loop/loop_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class IngestMetricsTest : public ::testing::Test {
 protected:
  // Gives every metric a value, with different values for the two clusters.
  void FillEveryMetric() {
    ::testing::internal::CaptureStderr();
    fixture_.RunTurns({[&] { Connect(); }, [&] { Work(); }, [] {}});
    fixture_.CapturedLog();
  }
  void Connect() {
    for (const char* cluster : {"a", "b"}) fixture_.loop.OnSubscribed(cluster, {});
    fixture_.event_loop.Post([&] { fixture_.clock.Advance(100s); });
    fixture_.event_loop.Post([&] {
      ConnectionFailure failure;
      for (const char* cluster : {"a", "b"}) fixture_.loop.OnFailed(cluster, failure, 1s, 1);
      failure.error = ErrorClass::kTls;
      fixture_.loop.OnFailed("b", failure, 1s, 2);
    });
    fixture_.event_loop.Post([&] {
      fixture_.clock.Advance(10s);
      fixture_.loop.OnSubscribed("b", {});
    });
  }
  void Work() {
    fixture_.loop.Step([&](Scheduler& s, const Instant& now, Effects& effects) {
      dispatch::Hello hello;
      hello.executor_id = "e";
      hello.slots = 3;
      s.OnHello(1, hello, now, effects);
      s.OnCredits(1, 3, now, effects);
    });
    for (const char* pod : {"one", "two", "three"}) {
      fixture_.clock.Advance(1s);
      fixture_.loop.OnEvent("a", Now(pod), false);
      fixture_.loop.OnEvent("b", Now(pod), true);
      fixture_.loop.OnEvent("b", Now(pod), false);  // a duplicate
    }
    fixture_.loop.OnEvent("a", InvalidEvent{"schema", "no kind", std::nullopt}, false);
    fixture_.event_loop.Post([&] {
      const Lease lease = fixture_.streams.offer;
      fixture_.loop.Step([&](Scheduler& s, const Instant& now, Effects& effects) {
        s.OnStarted(1, lease, now, effects);
        Outcome outcome;
        outcome.status = RunStatus::kSuccess;
        s.OnResult(1, lease, outcome, now, effects);
      });
    });
  }
  FaultEvent Now(const std::string& pod) {
    FaultEvent event = LoopFixture::Fault(pod);
    event.received_at = fixture_.event_loop.Now().wall;
    return event;
  }
  std::vector<prometheus::MetricFamily> Families(MetricsDetail detail) {
    return CollectIngestMetrics(TakeSnapshot(fixture_.loop, detail, fixture_.event_loop.Now()));
  }
  std::string Text(MetricsDetail detail) { return MetricsText(Families(detail)); }

  LoopFixture fixture_{{"a", "b"}};
};

// The sums of a family over all clusters, by its other labels.
std::map<std::string, double> Sums(const prometheus::MetricFamily& family) {
  std::map<std::string, double> sums;
  for (const prometheus::ClientMetric& metric : family.metric) {
    std::string labels;
    for (const auto& label : metric.label) {
      if (label.name != "cluster") labels += label.name + "=" + label.value + " ";
    }
    sums[labels] += metric.counter.value + metric.gauge.value +
                    static_cast<double>(metric.histogram.sample_count);
    sums[labels + "sum"] += metric.histogram.sample_sum;
    for (const auto& bucket : metric.histogram.bucket) {
      sums[labels + std::to_string(bucket.upper_bound)] +=
          static_cast<double>(bucket.cumulative_count);
    }
  }
  return sums;
}

TEST_F(IngestMetricsTest, SummedSeriesEqualTheSumsOverTheClusters) {
  FillEveryMetric();
  const auto apart = Families(MetricsDetail::kPerCluster);
  const auto summed = Families(MetricsDetail::kSummed);
  const std::string text = MetricsText(summed);
  ASSERT_EQ(apart.size(), summed.size());
  for (std::size_t i = 0; i < apart.size(); ++i) {
    const prometheus::MetricFamily& family = summed[i];
    EXPECT_EQ(family.name, apart[i].name);
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) {
        if (label.name == "cluster") {
          EXPECT_EQ(label.value, "all");
        }
      }
    }
    if (family.name.find("timestamp_seconds") != std::string::npos) continue;
    EXPECT_EQ(Sums(family), Sums(apart[i])) << family.name;
  }
  EXPECT_THAT(text, HasSubstr("sse_connections_active{cluster=\"all\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sse_connection_duration_seconds_count{cluster=\"all\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("events_received_total{cluster=\"all\","));
  EXPECT_THAT(text, HasSubstr("incidents_finished_total{cluster=\"all\","));
}

TEST_F(IngestMetricsTest, SummedTimesAreTheOldestIncidentAndTheLatestEvent) {
  FillEveryMetric();
  const auto apart =
      TakeSnapshot(fixture_.loop, MetricsDetail::kPerCluster, fixture_.event_loop.Now());
  const auto summed =
      TakeSnapshot(fixture_.loop, MetricsDetail::kSummed, fixture_.event_loop.Now());
  ASSERT_TRUE(apart.clusters[0].oldest_queued && apart.clusters[1].oldest_queued);
  EXPECT_EQ(summed.clusters[0].oldest_queued,
            std::min(apart.clusters[0].oldest_queued, apart.clusters[1].oldest_queued));
  EXPECT_EQ(summed.clusters[0].last_event,
            std::max(apart.clusters[0].last_event, apart.clusters[1].last_event));
}

TEST_F(IngestMetricsTest, AnEmptyQueueDoesNotHideTheOldestIncidentOfAnother) {
  fixture_.Queue("one", 1);
  const auto text = Text(MetricsDetail::kSummed);
  EXPECT_THAT(text, Not(HasSubstr("queue_oldest_event_timestamp_seconds{cluster=\"all\"} 0\n")));
}

TEST_F(IngestMetricsTest, SeriesWithoutFurtherLabelsExistFromTheStart) {
  for (const auto& [detail, name] :
       {std::pair{MetricsDetail::kPerCluster, "b"}, {MetricsDetail::kSummed, "all"}}) {
    const std::string text = Text(detail);
    for (const char* family :
         {"events_queued_total", "queue_depth", "queue_oldest_event_timestamp_seconds",
          "sse_connections_active", "sse_gap_seconds_total", "leases_expired_total"}) {
      EXPECT_THAT(text, HasSubstr(std::string(family) + "{cluster=\"" + name + "\"} 0\n"));
    }
  }
}

TEST_F(IngestMetricsTest, ExportsTheErrorsOfTheJournal) {
  EXPECT_THAT(Text(MetricsDetail::kSummed), HasSubstr("journal_degraded 0\n"));
  fixture_.journal.is_degraded = true;
  fixture_.journal.errors = 3;
  const std::string text = Text(MetricsDetail::kSummed);
  EXPECT_THAT(text, HasSubstr("journal_degraded 1\n"));
  EXPECT_THAT(text, HasSubstr("journal_write_errors_total 3\n"));
}

TEST_F(IngestMetricsTest, AScrapeFailsIfTheLoopDoesNotRespond) {
  const IngestMetrics metrics(fixture_.event_loop, fixture_.loop, MetricsDetail::kPerCluster);
  EXPECT_THROW(metrics.Collect(), std::runtime_error);
}

}  // namespace
}  // namespace runner::ingest
