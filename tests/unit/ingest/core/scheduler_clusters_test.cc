// Clusters that are added, removed and changed while incidents are queued and running.

#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::minutes;
using Disposition = Scheduler::Disposition;

FilterRules From(Severity threshold) {
  FilterRules rules;
  rules.severity_threshold = threshold;
  return rules;
}

TEST(SchedulerClusters, AnAddedClusterIsScheduledLikeTheOthers) {
  SchedulerDriver driver(OptionsFor(1));
  ASSERT_TRUE(driver.SetClusters({{"new", {}}, {"c0", {}}}));
  EXPECT_EQ(driver.scheduler().ClusterOf("c0"), ClusterIndex{0}) << "whatever its position";
  EXPECT_EQ(driver.scheduler().ClusterOf("new"), ClusterIndex{1});
  driver.Attach(kStream, "e", 1);
  const std::string id = driver.Queue(1);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, id);
  EXPECT_EQ(driver.Only<SendOffer>().incident.event.cluster, "new");
  EXPECT_EQ(driver.Counters(1).queued, 1u);
  EXPECT_EQ(driver.Counters(0).queued, 0u);
}

TEST(SchedulerClusters, ARemovedClusterHasNoNameButItsQueueIsProcessed) {
  SchedulerDriver driver(OptionsFor(2));
  const std::string first = driver.Queue(1);
  const std::string second = driver.Queue(1);
  ASSERT_TRUE(driver.SetClusters({{"c0", {}}}));
  EXPECT_EQ(driver.scheduler().ClusterOf("c1"), std::nullopt);
  EXPECT_FALSE(driver.scheduler().View(1).configured);
  EXPECT_EQ(driver.Depth(1), 2u);

  driver.Attach(kStream, "e", 1);
  for (const std::string& id : {first, second}) {
    ASSERT_EQ(driver.Only<SendOffer>().lease.incident_id, id);
    driver.Started(kStream, driver.LeaseOf(id));
    driver.Credits(kStream, 2);
    driver.Result(kStream, driver.LeaseOf(id));
  }
  EXPECT_EQ(driver.Finished(FinalStatus::kSuccess, 1), 2u);
  EXPECT_EQ(driver.Depth(1), 0u);
}

TEST(SchedulerClusters, ARunOfARemovedClusterCanBeRequeuedAndExpire) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(kStream, "e", 1);
  driver.Queue(0);
  ASSERT_TRUE(driver.SetClusters({}));
  driver.Draining(kStream);
  driver.Reject(kStream, {"incident-1", 1});
  EXPECT_EQ(driver.Count<IncidentRequeued>(), 1u);
  driver.PassWithTimers(minutes(12));
  EXPECT_EQ(driver.Finished(FinalStatus::kExpired, 0), 1u);
}

TEST(SchedulerClusters, AReaddedClusterKeepsItsCountersAndQueue) {
  SchedulerOptions options = OptionsFor(2);
  options.dedup.window = minutes(5);
  SchedulerDriver driver(options);
  const std::string id = driver.Queue(1);
  driver.SetClusters({{"c0", {}}});
  driver.SetClusters({{"c1", {}}, {"c0", {}}});
  EXPECT_EQ(driver.scheduler().ClusterOf("c1"), ClusterIndex{1});
  const auto again = driver.Event(1);
  EXPECT_EQ(again.Reason(), "duplicate");
  EXPECT_EQ(again.incident_id, id);
  EXPECT_EQ(driver.Counters(1).queued, 1u);
  EXPECT_EQ(driver.Depth(1), 1u);
}

TEST(SchedulerClusters, NewRulesApplyToLaterEvents) {
  SchedulerDriver driver(OptionsFor(2));
  const std::string waits = driver.Event(0, SchedulerDriver::Fault(Severity::kWarning)).incident_id;
  ASSERT_TRUE(driver.SetClusters({{"c0", From(Severity::kCritical)}, {"c1", {}}}));
  const auto filtered = driver.Event(0, SchedulerDriver::Fault(Severity::kError));
  EXPECT_EQ(driver.Only<EventFiltered>().threshold, Severity::kCritical);
  EXPECT_EQ(filtered.disposition, Disposition::kFiltered);
  EXPECT_EQ(filtered.Reason(), "severity");
  EXPECT_EQ(driver.Event(1, SchedulerDriver::Fault(Severity::kError)).disposition,
            Disposition::kQueued);
  EXPECT_EQ(driver.Record(waits).state, IncidentState::kQueued) << "a queued incident stays";
}

TEST(SchedulerClusters, RejectsAChangeBeyondMaxClustersAsAWhole) {
  SchedulerOptions options = OptionsFor(2);
  options.max_clusters = 3;
  SchedulerDriver driver(options);
  ASSERT_TRUE(driver.SetClusters({{"c0", {}}, {"c2", {}}}));
  EXPECT_FALSE(driver.SetClusters({{"c0", From(Severity::kCritical)}, {"c3", {}}}))
      << "removed ones count";
  EXPECT_EQ(driver.scheduler().ClusterOf("c3"), std::nullopt);
  EXPECT_TRUE(driver.scheduler().ClusterOf("c2"));
  EXPECT_EQ(driver.Event(0, SchedulerDriver::Fault(Severity::kWarning)).disposition,
            Disposition::kQueued);
  EXPECT_TRUE(driver.SetClusters({{"c1", {}}})) << "a known name adds none";
}

}  // namespace
}  // namespace runner::ingest
