// From an event to the queue: filter, bounds, expiry.

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Disposition = Scheduler::Disposition;

TEST(SchedulerIntake, RejectsADuplicateCluster) {
  SchedulerOptions options = OptionsFor(1);
  options.clusters.push_back({"c0", {}});
  EXPECT_THROW(SchedulerDriver{options}, std::invalid_argument);
}

TEST(SchedulerIntake, FiltersSeveritiesBelowTheThreshold) {
  SchedulerOptions options = OptionsFor(1);
  options.clusters[0].filter.severity_threshold = Severity::kWarning;
  SchedulerDriver driver(options);
  EXPECT_EQ(driver.Event(0, driver.Fault(Severity::kWarning)).disposition, Disposition::kQueued);
  EXPECT_EQ(driver.Event(0, driver.Fault(Severity::kCritical)).disposition, Disposition::kQueued);
  const auto filtered = driver.Event(0, driver.Fault(Severity::kInfo, "fault-1"));
  EXPECT_EQ(filtered.disposition, Disposition::kFiltered);
  EXPECT_EQ(filtered.Reason(), "severity");
  EXPECT_EQ(driver.Only<EventFiltered>().event_id, "fault-1");
  EXPECT_EQ(driver.Only<EventFiltered>().reason, FilterReason::kSeverity);
  EXPECT_EQ(driver.Counters().filtered.at(FilterReason::kSeverity), 1u);
  EXPECT_EQ(driver.Depth(), 2u);
}

TEST(SchedulerIntake, CountsReceivedEventsBySeverity) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Event(0, driver.Fault(Severity::kInfo));
  driver.Event(0, driver.Fault(Severity::kError));
  driver.Invalid(0, "schema", Severity::kError);
  driver.Invalid(0, "json", std::nullopt);
  EXPECT_THAT(driver.Counters().received, ::testing::ElementsAre(0, 1, 0, 2, 0, 1));
  EXPECT_EQ(driver.Counters().invalid.at("json"), 1u);
  EXPECT_EQ(driver.Counters().invalid.at("schema"), 1u);
}

TEST(SchedulerIntake, TheConfiguredClusterNameReplacesTheNameFromTheServer) {
  SchedulerDriver driver(OptionsFor(2));
  FaultEvent event = driver.Fault();
  event.cluster = "../../etc";
  const std::string id = driver.Event(1, event).incident_id;
  EXPECT_EQ(driver.Record(id).incident.event.cluster, "c1");
  EXPECT_EQ(driver.Record(id).cluster, 1u);
  EXPECT_EQ(driver.scheduler().ClusterOf("c1"), 1u);
  EXPECT_EQ(driver.scheduler().ClusterOf("../../etc"), std::nullopt);
}

TEST(SchedulerIntake, ReportsAQueuedEventWithTheQueueDepth) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Queue();
  const std::string second = driver.Queue();
  EXPECT_EQ(driver.Only<EventReceived>().event_id, second) << "no fault id: the incident's";
  EXPECT_EQ(driver.Only<EventQueued>().incident.id, second);
  EXPECT_EQ(driver.Only<EventQueued>().queue_depth, 2u);
}

TEST(SchedulerIntake, ViewHasTheOldestQueuedIncident) {
  SchedulerDriver driver(OptionsFor(1));
  EXPECT_EQ(driver.scheduler().View(0).oldest_queued, std::nullopt);
  const WallTime first = driver.now().wall;
  driver.Queue();
  driver.Pass(seconds(3));
  driver.Queue();
  EXPECT_EQ(driver.scheduler().View(0).oldest_queued, first);
}

// --- overflow -------------------------------------------------------------------------------

TEST(SchedulerOverflow, DropOldestEvictsTheOldestOfTheSameCluster) {
  SchedulerOptions options = OptionsFor(2);
  options.cluster_queue_size = 2;
  SchedulerDriver driver(options);
  const std::string other = driver.Queue(1);
  const std::string oldest = driver.Queue(0);
  driver.Pass(seconds(1));
  driver.Queue(0);
  EXPECT_EQ(driver.Event(0).disposition, Disposition::kQueued);
  EXPECT_EQ(driver.Only<QueueOverflowed>().event_id, oldest);
  EXPECT_EQ(driver.Only<QueueOverflowed>().depth, 2u);
  EXPECT_EQ(driver.Only<IncidentFinished>().status, FinalStatus::kEvicted);
  EXPECT_EQ(driver.Record(oldest).status, FinalStatus::kEvicted);
  EXPECT_EQ(driver.Record(other).state, IncidentState::kQueued);
  EXPECT_EQ(driver.Counters().evicted, (CountsBy<EvictReason>{{EvictReason::kOverflow, 1}}));
  EXPECT_EQ(driver.Depth(0), 2u);
}

TEST(SchedulerOverflow, RejectNewestKeepsTheQueue) {
  SchedulerOptions options = OptionsFor(1);
  options.cluster_queue_size = 2;
  options.overflow_policy = OverflowPolicy::kRejectNewest;
  SchedulerDriver driver(options);
  const std::string first = driver.Queue();
  driver.Queue();
  const auto rejected = driver.Event(0, driver.Fault(Severity::kCritical, "late"));
  EXPECT_EQ(rejected.disposition, Disposition::kRejected);
  EXPECT_EQ(rejected.Reason(), "overflow");
  EXPECT_EQ(driver.Only<QueueOverflowed>().event_id, "late");
  EXPECT_EQ(driver.Counters().rejected, 1u);
  EXPECT_EQ(driver.Counters().evicted, CountsBy<EvictReason>{});
  EXPECT_EQ(driver.Record(first).state, IncidentState::kQueued);
}

TEST(SchedulerOverflow, ARequeueMayExceedTheBoundWithoutRaisingIt) {
  SchedulerOptions options = OptionsFor(1);
  options.cluster_queue_size = 2;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 1);
  const std::string leased = driver.Queue();
  driver.Queue();
  driver.Queue();
  driver.Draining(kStream);
  driver.Result(kStream, {leased, 1}, RunStatus::kInterrupted);
  EXPECT_EQ(driver.Depth(), 3u);
  driver.Pass(seconds(1));
  driver.Queue();
  EXPECT_EQ(driver.Depth(), 3u);
  EXPECT_EQ(driver.Counters().evicted, (CountsBy<EvictReason>{{EvictReason::kOverflow, 1}}));
}

TEST(SchedulerOverflow, AQueueOfSizeZeroRejects) {
  SchedulerOptions options = OptionsFor(1);
  options.cluster_queue_size = 0;
  SchedulerDriver driver(options);
  EXPECT_EQ(driver.Event().disposition, Disposition::kRejected);
}

// --- expiry ---------------------------------------------------------------------------------

SchedulerOptions Expiring() {
  SchedulerOptions options = OptionsFor(2);
  options.max_queue_age = seconds(100);
  options.queue_sweep_interval = seconds(30);
  return options;
}

TEST(SchedulerExpiry, ASweepExpiresOnlyOverAgeIncidents) {
  SchedulerDriver driver(Expiring());
  const std::string old = driver.Queue(0);
  driver.Pass(seconds(60));
  const std::string young = driver.Queue(1);
  driver.PassWithTimers(seconds(60));
  EXPECT_EQ(driver.Only<EventExpired>().incident.id, old);
  EXPECT_GE(driver.Only<EventExpired>().age, seconds(100));
  EXPECT_EQ(driver.Only<IncidentFinished>().status, FinalStatus::kExpired);
  EXPECT_EQ(driver.Record(old).status, FinalStatus::kExpired);
  EXPECT_EQ(driver.Record(young).state, IncidentState::kQueued);
  EXPECT_EQ(driver.Counters(0).expired, 1u);
  EXPECT_EQ(driver.Counters(1).expired, 0u);
}

TEST(SchedulerExpiry, LeasesBelowTheAgeLimitAndNeverAtIt) {
  SchedulerDriver driver(Expiring());
  const std::string first = driver.Queue(0);
  driver.Pass(milliseconds(1));
  const std::string second = driver.Queue(1);
  driver.Pass(seconds(100) - milliseconds(1));  // without a sweep
  driver.Attach(kStream, "e", 5);
  EXPECT_EQ(driver.Only<EventExpired>().incident.id, first);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, second);
  EXPECT_EQ(driver.Counters(0).dequeued, 0u);
}

TEST(SchedulerExpiry, OverAgeIncidentsDoNotUseTheTurnOfTheirCluster) {
  SchedulerDriver driver(Expiring());
  driver.Queue(0);
  driver.Queue(0);
  driver.Pass(seconds(99));
  const std::string young = driver.Queue(0);
  driver.Pass(seconds(1));
  driver.Attach(kStream, "e", 1);
  EXPECT_EQ(driver.Count<EventExpired>(), 2u);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, young);
}

TEST(SchedulerExpiry, AgeDoesNotGrowWhileLeased) {
  SchedulerDriver driver(Expiring());
  const std::string id = driver.Queue();
  driver.Pass(seconds(40));
  driver.Attach(kStream, "e", 1);
  driver.Started(kStream, {id, 1});
  driver.PassWithTimers(minutes(60));
  driver.Draining(kStream);
  driver.Result(kStream, {id, 1}, RunStatus::kInterrupted);
  EXPECT_EQ(driver.Record(id).state, IncidentState::kQueued) << "40 s old";
  driver.PassWithTimers(seconds(59));
  EXPECT_EQ(driver.Record(id).state, IncidentState::kQueued) << "99 s old";
  driver.PassWithTimers(seconds(31));
  EXPECT_EQ(driver.Record(id).status, FinalStatus::kExpired);
}

TEST(SchedulerExpiry, AgeAddsUpOverSeveralLeases) {
  SchedulerDriver driver(Expiring());
  const std::string id = driver.Queue();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    driver.Pass(seconds(30));
    driver.Attach(attempt, "e", 1);
    driver.Draining(attempt);
    driver.Pass(seconds(30));
    driver.Result(attempt, {id, attempt}, RunStatus::kInterrupted);
  }
  driver.Pass(seconds(10));
  driver.Attach(9, "e", 1);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  EXPECT_EQ(driver.Only<EventExpired>().age, seconds(100));
}

TEST(SchedulerExpiry, NextDeadlineIsTheSweepAndAbsentWithAnEmptyQueue) {
  SchedulerDriver driver(Expiring());
  EXPECT_EQ(driver.scheduler().NextDeadline(), std::nullopt);
  driver.Queue();
  EXPECT_EQ(driver.scheduler().NextDeadline(), driver.now().mono + seconds(30));
  driver.PassWithTimers(minutes(5));
  EXPECT_EQ(driver.Depth(), 0u);
  EXPECT_EQ(driver.scheduler().NextDeadline(), std::nullopt);
}

TEST(SchedulerExpiry, ATimerBeforeTheDeadlineDoesNothing) {
  SchedulerDriver driver(Expiring());
  driver.Queue();
  const auto deadline = driver.scheduler().NextDeadline();
  driver.Pass(seconds(30) - milliseconds(1));
  driver.Timer();
  EXPECT_TRUE(driver.effects().empty());
  EXPECT_EQ(driver.scheduler().NextDeadline(), deadline);
}

}  // namespace
}  // namespace runner::ingest
