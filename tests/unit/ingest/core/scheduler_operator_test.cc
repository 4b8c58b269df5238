// Calls of operators: cancel, rerun, breaker reset; and the wait reasons.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Cancelled = Scheduler::Cancelled;
using WaitReason = Scheduler::WaitReason;
using BreakerState = CircuitBreaker::State;

constexpr StreamId kAttached = 1;

TEST(SchedulerCancel, AQueuedIncidentEndsAtOnceAndCountsAsEvicted) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string stays = driver.Queue();
  const std::string id = driver.Queue();
  EXPECT_EQ(driver.Cancel(id), Cancelled::kEnded);
  EXPECT_EQ(driver.Only<IncidentFinished>().status, FinalStatus::kCancelled);
  EXPECT_EQ(driver.Only<IncidentFinished>().reason, "cancelled");
  EXPECT_EQ(driver.Counters().evicted, (CountsBy<EvictReason>{{EvictReason::kCancelled, 1}}));
  EXPECT_EQ(driver.Finished(FinalStatus::kCancelled), 1u);
  EXPECT_EQ(driver.Depth(), 1u);
  driver.Attach(kAttached, "e", 2);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, stays);
}

TEST(SchedulerCancel, IgnoresUnknownAndFinishedIncidents) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  EXPECT_EQ(driver.Cancel("nobody"), Cancelled::kUnknown);
  EXPECT_EQ(driver.Cancel(id), Cancelled::kEnded);
  EXPECT_EQ(driver.Cancel(id), Cancelled::kEndedBefore);
  EXPECT_THAT(driver.effects(), testing::IsEmpty());
}

TEST(SchedulerCancel, ACancelledIncidentThatNeverRanFreesItsKey) {
  SchedulerOptions options = OptionsFor(1);
  options.dedup.window = minutes(5);
  SchedulerDriver driver(options);
  driver.Cancel(driver.Queue());
  EXPECT_EQ(driver.Event().disposition, Scheduler::Disposition::kQueued);
}

class CancelledRun : public ::testing::Test {
 protected:
  CancelledRun() : driver_(Options()) {
    driver_.Attach(kAttached, "e", 1);
    id_ = driver_.Queue();
    lease_ = driver_.LeaseOf(id_);
    driver_.Started(kAttached, lease_);
    EXPECT_EQ(driver_.Cancel(id_), Cancelled::kStopping);
    persisted_ = driver_.Only<Persist>().change;
  }
  static SchedulerOptions Options() {
    SchedulerOptions options = OptionsFor(1);
    options.dedup.window = minutes(5);
    return options;
  }

  SchedulerDriver driver_;
  std::string id_;
  Lease lease_;
  IncidentChange persisted_;  // by the cancel
};

TEST_F(CancelledRun, ItsExecutorReceivesCancelAndItsResultFinishesIt) {
  EXPECT_EQ(driver_.Only<SendCancel>().lease, lease_);
  EXPECT_EQ(driver_.Only<SendCancel>().reason, dispatch::CancelReason::kCancelled);
  driver_.Result(kAttached, lease_, RunStatus::kCancelled);
  EXPECT_EQ(driver_.Only<IncidentFinished>().status, FinalStatus::kCancelled);
  EXPECT_EQ(driver_.Event().Reason(), "duplicate") << "an agent has run";
}

TEST_F(CancelledRun, ARunThatEndedFirstKeepsItsResult) {
  driver_.Result(kAttached, lease_, RunStatus::kSuccess);
  EXPECT_EQ(driver_.Only<IncidentFinished>().status, FinalStatus::kSuccess);
}

TEST_F(CancelledRun, AnInterruptedRunIsNotRequeued) {
  driver_.Result(kAttached, lease_, RunStatus::kInterrupted);
  EXPECT_EQ(driver_.Only<IncidentFinished>().status, FinalStatus::kCancelled);
  EXPECT_EQ(driver_.Depth(), 0u);
}

TEST_F(CancelledRun, ALostRunIsNotRequeued) {
  driver_.StreamClosed(kAttached);
  driver_.PassWithTimers(minutes(2));
  EXPECT_EQ(driver_.Only<IncidentFinished>().status, FinalStatus::kCancelled);
  EXPECT_EQ(driver_.Depth(), 0u);
}

TEST_F(CancelledRun, AReattachedExecutorReceivesCancelAgain) {
  driver_.StreamClosed(kAttached);
  dispatch::Hello hello = SchedulerDriver::HelloOf("e", 1);
  hello.running = {lease_};
  driver_.Hello(2, hello);
  EXPECT_EQ(driver_.Only<SendCancel>().stream, StreamId{2});
  EXPECT_EQ(driver_.Only<SendCancel>().lease, lease_);
}

TEST_F(CancelledRun, AWaitingResultIsKept) {
  driver_.StreamClosed(kAttached);
  dispatch::Hello hello = SchedulerDriver::HelloOf("e", 1);
  hello.results_waiting = {lease_};
  driver_.Hello(2, hello);
  EXPECT_EQ(driver_.Count<SendCancel>(), 0u);
}

TEST_F(CancelledRun, ARestartKeepsTheCancelRequest) {
  SchedulerDriver next(Options());
  next.Restore({{driver_.Record(id_).incident, persisted_.progress}});
  next.PassWithTimers(minutes(2));
  EXPECT_EQ(next.Only<IncidentFinished>().status, FinalStatus::kCancelled);
}

TEST(SchedulerCancel, ADetachedExecutorReceivesNoCancel) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(kAttached, "e", 1);
  const std::string id = driver.Queue();
  driver.StreamClosed(kAttached);
  EXPECT_EQ(driver.Cancel(id), Cancelled::kStopping);
  EXPECT_EQ(driver.Count<SendCancel>(), 0u);
}

TEST(SchedulerCancel, ACancelledIncidentThatRanOnceTakesItsKey) {
  SchedulerOptions options = OptionsFor(1);
  options.dedup.window = minutes(5);
  SchedulerDriver driver(options);
  driver.Attach(kAttached, "e", 1);
  const std::string id = driver.Queue();
  driver.Started(kAttached, driver.LeaseOf(id));
  driver.Draining(kAttached);
  driver.Result(kAttached, driver.LeaseOf(id), RunStatus::kInterrupted);
  driver.Attach(2, "f", 1);
  driver.Reject(2, driver.LeaseOf(id));
  EXPECT_EQ(driver.Cancel(id), Cancelled::kEnded);
  EXPECT_FALSE(driver.Only<IncidentFinished>().ran) << "it was queued";
  EXPECT_EQ(driver.Event().Reason(), "duplicate");
}

TEST(SchedulerCancel, ARejectedOfferOfACancelledIncidentIsNotRepeated) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(kAttached, "e", 2);
  const std::string id = driver.Queue();
  driver.Cancel(id);
  driver.Reject(kAttached, driver.LeaseOf(id));
  EXPECT_EQ(driver.Only<IncidentFinished>().status, FinalStatus::kCancelled);
}

// --- reruns ----------------------------------------------------------------------------------

using RerunResult = Scheduler::Rerun::Result;

// Returns an incident of cluster c0 that has ended as `status`.
std::string Ended(SchedulerDriver& driver, RunStatus status = RunStatus::kFailure) {
  const std::string id = driver.Queue();
  driver.Attach(kAttached, "e", 1);
  driver.Started(kAttached, driver.LeaseOf(id));
  driver.Result(kAttached, driver.LeaseOf(id), status);
  driver.Draining(kAttached);
  return id;
}

TEST(SchedulerRerun, IsANewIncidentThatReferencesTheOldOne) {
  SchedulerDriver driver(WithDuplicates());
  const std::string id = Ended(driver);
  driver.Pass(seconds(30));
  const auto rerun = driver.Rerun(id);
  ASSERT_EQ(rerun.result, RerunResult::kQueued);
  EXPECT_NE(rerun.incident_id, id);
  const Incident& incident = driver.Record(rerun.incident_id).incident;
  EXPECT_EQ(incident.rerun_of, id);
  EXPECT_EQ(incident.event.resource, driver.Record(id).incident.event.resource);
  EXPECT_EQ(incident.event.severity, Severity::kCritical);
  EXPECT_EQ(incident.event.received_at, driver.now().wall);
  EXPECT_EQ(incident.occurrences, 1u);
  EXPECT_EQ(driver.Count<EventReceived>(), 1u);
  EXPECT_EQ(driver.Only<Persist>().change.added->rerun_of, id);
  EXPECT_EQ(driver.Counters().queued, 2u);
  EXPECT_EQ(driver.Record(id).state, IncidentState::kFinished)
      << "the old incident does not change";
}

TEST(SchedulerRerun, TakesTheKeyOfItsObject) {
  SchedulerDriver driver(WithDuplicates());
  const std::string id = Ended(driver);
  const std::string again = driver.Rerun(id).incident_id;
  EXPECT_EQ(driver.Event().incident_id, again) << "events join it";
  EXPECT_EQ(driver.Record(again).incident.occurrences, 2u);
  const auto refused = driver.Rerun(id);
  EXPECT_EQ(refused.result, RerunResult::kOpenElsewhere);
  EXPECT_EQ(refused.incident_id, again);
  EXPECT_EQ(driver.Cancel(again), Cancelled::kEnded);
  EXPECT_EQ(driver.Event().incident_id, id) << "the window of the first run continues";
}

TEST(SchedulerRerun, ARerunOfARerunReferencesTheLatest) {
  SchedulerDriver driver(WithDuplicates());
  const std::string again = driver.Rerun(Ended(driver)).incident_id;
  driver.Cancel(again);
  EXPECT_EQ(driver.Record(driver.Rerun(again).incident_id).incident.rerun_of, again);
}

TEST(SchedulerRerun, BypassesTheFilterAndTheBreakerPolicy) {
  SchedulerOptions options = WithDuplicates();
  options.breaker.threshold = 1;
  SchedulerDriver driver(options);
  const std::string id = Ended(driver);
  EXPECT_EQ(driver.scheduler().breaker().state(), BreakerState::kOpen);
  FilterRules none;
  none.triage = false;
  ASSERT_TRUE(driver.SetClusters({{"c0", none}}));
  EXPECT_EQ(driver.Rerun(id).result, RerunResult::kQueued);
  driver.Attach(2, "f", 1);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "an open breaker still stops leasing";
  driver.PassWithTimers(minutes(2));
  EXPECT_EQ(driver.Count<SendOffer>(), 1u);
}

TEST(SchedulerRerun, RespectsTheQueueBoundsAndTheHourlyLimit) {
  SchedulerOptions options = WithDuplicates();
  options.cluster_queue_size = 1;
  options.overflow_policy = OverflowPolicy::kRejectNewest;
  options.max_runs_per_hour = 1;
  SchedulerDriver driver(options);
  const std::string id = Ended(driver);
  FaultEvent other = driver.Fault();
  other.resource.name = "other";
  const std::string waits = driver.Event(0, other).incident_id;
  EXPECT_EQ(driver.Rerun(id).result, RerunResult::kRejected);
  EXPECT_EQ(driver.Counters().rejected, 1u);
  driver.Cancel(waits);
  EXPECT_EQ(driver.Rerun(id).result, RerunResult::kQueued);
  driver.Attach(2, "f", 1);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "one run began within the hour";
}

TEST(SchedulerRerun, SurvivesTheRemovalOfTheOldIncident) {
  SchedulerOptions options = WithDuplicates();
  options.history_count = 1;
  options.cluster_queue_size = 1;
  SchedulerDriver driver(options);
  const std::string id = Ended(driver);
  FaultEvent other = driver.Fault(Severity::kError);
  other.resource.name = "other";
  driver.Event(0, other);
  const auto rerun = driver.Rerun(id);  // evicts the other one, which enters the history
  ASSERT_EQ(rerun.result, RerunResult::kQueued);
  EXPECT_EQ(driver.Record(rerun.incident_id).incident.rerun_of, id);
  EXPECT_EQ(driver.Rerun(id).result, RerunResult::kUnknown);
}

TEST(SchedulerRerun, NeedsAFinishedIncidentOfAConfiguredCluster) {
  SchedulerDriver driver(WithDuplicates());
  EXPECT_EQ(driver.Rerun("nobody").result, RerunResult::kUnknown);
  const std::string waits = driver.Queue();
  EXPECT_EQ(driver.Rerun(waits).result, RerunResult::kNotEnded);
  EXPECT_EQ(driver.Rerun(waits).state, IncidentState::kQueued);
  driver.Cancel(waits);
  ASSERT_TRUE(driver.SetClusters({{"another", {}}}));
  EXPECT_EQ(driver.Rerun(waits).result, RerunResult::kNotConfigured);
  EXPECT_THAT(driver.effects(), testing::IsEmpty());
}

TEST(SchedulerRerun, WithoutAWindowNoIncidentBlocksIt) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = Ended(driver);
  EXPECT_EQ(driver.Rerun(id).result, RerunResult::kQueued);
  EXPECT_EQ(driver.Rerun(id).result, RerunResult::kQueued);
}

// --- the breaker ----------------------------------------------------------------------------

TEST(SchedulerBreaker, AResetLeasesQueuedIncidents) {
  SchedulerOptions options = OptionsFor(1);
  options.breaker.threshold = 1;
  options.breaker_policy = BreakerPolicy::kHold;
  SchedulerDriver driver(options);
  driver.Attach(kAttached, "e", 1);
  const std::string fails = driver.Queue();
  driver.Result(kAttached, driver.LeaseOf(fails), RunStatus::kFailure);
  driver.Credits(kAttached, 2);
  const std::string waits = driver.Queue();
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.ResetBreaker();
  EXPECT_EQ(driver.Only<BreakerChanged>().state, BreakerState::kClosed);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, waits);
  driver.ResetBreaker();
  EXPECT_EQ(driver.Count<BreakerChanged>(), 0u) << "it was closed";
}

TEST(SchedulerBreaker, AResetClearsFailuresAndIgnoresCurrentRuns) {
  SchedulerOptions options = OptionsFor(2);
  options.breaker.threshold = 1;
  SchedulerDriver driver(options);
  driver.Attach(kAttached, "e", 2);
  const std::string runs = driver.Queue(0);
  driver.ResetBreaker();
  driver.Result(kAttached, driver.LeaseOf(runs), RunStatus::kFailure);
  EXPECT_EQ(driver.scheduler().breaker().state(), BreakerState::kClosed);
}

// --- wait reasons ---------------------------------------------------------------------------

class WhyNotLeased : public ::testing::Test {
 protected:
  static SchedulerOptions Options() {
    SchedulerOptions options = OptionsFor(3);
    options.max_concurrent_agents = 2;
    return options;
  }
  static WaitReason Why(const SchedulerDriver& driver, ClusterIndex cluster = 0) {
    return driver.scheduler().WhyNotLeased(cluster, driver.now().mono);
  }
};

TEST_F(WhyNotLeased, WithoutAnExecutor) {
  SchedulerDriver driver(Options());
  EXPECT_EQ(Why(driver), WaitReason::kNoExecutor);
  driver.Attach(kAttached, "e", 1);
  EXPECT_EQ(Why(driver), WaitReason::kNone);
  driver.Draining(kAttached);
  EXPECT_EQ(Why(driver), WaitReason::kNoExecutor);
}

TEST_F(WhyNotLeased, WithAllSlotsOrLimitsInUse) {
  SchedulerDriver driver(Options());
  driver.Attach(kAttached, "e", 1);
  driver.Queue(0);
  EXPECT_EQ(Why(driver, 0), WaitReason::kNoFreeSlot);
  EXPECT_EQ(Why(driver, 1), WaitReason::kNoFreeSlot);
  driver.Attach(2, "f", 2);
  EXPECT_EQ(Why(driver, 0), WaitReason::kClusterBusy);
  EXPECT_EQ(Why(driver, 1), WaitReason::kNone);
  driver.Queue(1);
  EXPECT_EQ(Why(driver, 2), WaitReason::kAllBusy);
}

TEST_F(WhyNotLeased, WithAnOpenBreakerTheHourlyLimitOrADrain) {
  SchedulerOptions options = Options();
  options.breaker.threshold = 1;
  options.max_runs_per_hour = 2;
  SchedulerDriver driver(options);
  driver.Attach(kAttached, "e", 5);
  const std::string fails = driver.Queue(0);
  driver.Result(kAttached, driver.LeaseOf(fails), RunStatus::kFailure);
  EXPECT_EQ(Why(driver), WaitReason::kBreakerOpen);
  driver.PassWithTimers(seconds(60));
  const std::string probe = driver.Queue(0);
  EXPECT_EQ(Why(driver, 1), WaitReason::kBreakerProbing);
  driver.Result(kAttached, driver.LeaseOf(probe), RunStatus::kSuccess);
  EXPECT_EQ(Why(driver), WaitReason::kHourlyRunLimit);
  driver.BeginDrain();
  EXPECT_EQ(Why(driver), WaitReason::kDraining);
}

}  // namespace
}  // namespace runner::ingest
