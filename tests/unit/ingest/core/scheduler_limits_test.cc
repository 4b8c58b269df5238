// Deduplication, overflow, circuit breaker and hourly run limit within the scheduler.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Disposition = Scheduler::Disposition;
using State = CircuitBreaker::State;

SchedulerOptions WithBreaker() {
  SchedulerOptions options = OptionsFor(1);
  options.breaker.threshold = 2;
  options.breaker.cooldown = seconds(60);
  return options;
}

// Runs the only offered lease.
void RunNext(SchedulerDriver& driver, RunStatus status) {
  const Lease lease = driver.Only<SendOffer>().lease;
  driver.Started(kStream, lease);
  driver.Credits(kStream, 1'000);
  driver.Result(kStream, lease, status);
}

TEST(SchedulerDuplicates, ADuplicateOfAQueuedIncidentIsMerged) {
  SchedulerDriver driver(WithDuplicates());
  const std::string id = driver.Event(0, Pod("a", Severity::kWarning)).incident_id;
  driver.Pass(seconds(7));
  const auto again = driver.Event(0, Pod("a", Severity::kError));
  EXPECT_EQ(again.disposition, Disposition::kFiltered);
  EXPECT_EQ(again.Reason(), "duplicate");
  EXPECT_EQ(again.incident_id, id);
  const Incident& incident = driver.Record(id).incident;
  EXPECT_EQ(incident.occurrences, 2u);
  EXPECT_EQ(incident.event.severity, Severity::kError);
  EXPECT_EQ(incident.last_seen, driver.now().wall);
  EXPECT_EQ(driver.Counters().filtered.at(FilterReason::kDuplicate), 1u);
  EXPECT_EQ(driver.Depth(), 1u);
}

TEST(SchedulerDuplicates, ACriticalDuplicateRaisesItsIncident) {
  SchedulerDriver driver(WithDuplicates());
  driver.Event(0, Pod("first"));
  const std::string second = driver.Event(0, Pod("second")).incident_id;
  driver.Event(0, Pod("second", Severity::kCritical));
  EXPECT_EQ(driver.Count<Persist>(), 1u) << "the raised severity outlives a restart";
  driver.Attach(kStream, "e", 1);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, second);
  EXPECT_EQ(driver.Only<SendOffer>().incident.event.severity, Severity::kCritical);
}

TEST(SchedulerDuplicates, ADuplicateOfARunningIncidentChangesNothing) {
  SchedulerDriver driver(WithDuplicates());
  driver.Attach(kStream, "e", 1);
  const std::string id = driver.Event(0, Pod("a")).incident_id;
  EXPECT_EQ(driver.Event(0, Pod("a")).Reason(), "duplicate");
  EXPECT_EQ(driver.Record(id).incident.occurrences, 1u);
}

TEST(SchedulerDuplicates, AnExpiredOrEvictedIncidentFreesItsKey) {
  SchedulerOptions options = WithDuplicates();
  options.cluster_queue_size = 1;
  options.max_queue_age = seconds(10);
  SchedulerDriver driver(options);
  driver.Event(0, Pod("a"));
  driver.Event(0, Pod("b"));  // evicts a
  EXPECT_EQ(driver.Event(0, Pod("a")).disposition, Disposition::kQueued);
  driver.PassWithTimers(minutes(2));
  EXPECT_EQ(driver.Finished(FinalStatus::kExpired), 1u);
  EXPECT_EQ(driver.Event(0, Pod("a")).disposition, Disposition::kQueued);
}

TEST(SchedulerDuplicates, DedupKeyFaultComparesFaultIds) {
  SchedulerOptions options = WithDuplicates();
  options.dedup_key = DedupKey::kFault;
  SchedulerDriver driver(options);
  FaultEvent event = Pod("a");
  driver.Event(0, event);
  event.fault_id = "another";
  EXPECT_EQ(driver.Event(0, event).disposition, Disposition::kQueued);
  event.resource.name = "b";
  EXPECT_EQ(driver.Event(0, event).Reason(), "duplicate");
}

// Row 61: a server pushes the uid, lists carry none, and the kubelet reports a Node's name as uid.
TEST(SchedulerDuplicates, OneObjectIsOneIncidentWithAnyUid) {
  SchedulerDriver driver(WithDuplicates());
  FaultEvent event = Pod("node-1");
  event.fault_id.clear();
  event.resource.kind = "Node";
  event.resource.namespace_.clear();
  const std::string id = driver.Event(0, event).incident_id;
  for (const char* uid : {"node-1", "6f0c5f7e-0000-4000-8000-000000000001", "", "B"}) {
    event.resource.uid = uid;
    EXPECT_EQ(driver.Event(0, event).incident_id, id) << uid;
  }
  EXPECT_EQ(driver.Record(id).incident.occurrences, 5u);
}

class SchedulerEscalation : public ::testing::Test {
 protected:
  SchedulerEscalation() { driver_.Attach(kStream, "e", 1); }
  Scheduler::EventResult Event(Severity severity,
                               Scheduler::Origin origin = Scheduler::Origin::kLive) {
    FaultEvent event = Pod("a", severity);
    event.fault_type = severity == Severity::kWarning ? "PodCrash" : "CrashLoop";
    return driver_.Event(0, event, origin);
  }
  // Queues an incident whose run ends at once.
  std::string Investigate(Severity severity) {
    const auto admission = Event(severity);
    EXPECT_EQ(admission.disposition, Disposition::kQueued);
    RunNext(driver_, RunStatus::kSuccess);
    return admission.incident_id;
  }

  SchedulerDriver driver_{WithDuplicates()};
};

TEST_F(SchedulerEscalation, EscalatesOnceForEachLevel) {
  const std::string warning = Investigate(Severity::kWarning);
  EXPECT_EQ(Event(Severity::kWarning).incident_id, warning);
  const auto error = Event(Severity::kError);
  EXPECT_EQ(error.disposition, Disposition::kQueued);
  EXPECT_EQ(driver_.Only<EventEscalated>().incident_id, warning);
  EXPECT_EQ(driver_.Only<EventEscalated>().level, Severity::kWarning);
  RunNext(driver_, RunStatus::kFailure);
  EXPECT_EQ(Event(Severity::kError).incident_id, error.incident_id);
  Investigate(Severity::kCritical);
  for (const Severity severity : {Severity::kWarning, Severity::kError, Severity::kCritical}) {
    EXPECT_EQ(Event(severity).Reason(), "duplicate");
    EXPECT_EQ(driver_.Count<EventEscalated>(), 0u);
  }
}

TEST_F(SchedulerEscalation, ABackfilledEventNeverEscalates) {
  const std::string warning = Investigate(Severity::kWarning);
  EXPECT_EQ(Event(Severity::kCritical, Scheduler::Origin::kBackfill).incident_id, warning);
  EXPECT_EQ(driver_.Count<EventEscalated>(), 0u);
  driver_.Pass(minutes(5));
  EXPECT_EQ(Event(Severity::kCritical, Scheduler::Origin::kBackfill).disposition,
            Disposition::kQueued)
      << "the window is over";
}

TEST_F(SchedulerEscalation, AnEventOfARunningIncidentDoesNotEscalate) {
  const std::string id = Event(Severity::kWarning).incident_id;
  EXPECT_EQ(Event(Severity::kCritical).incident_id, id);
  driver_.Started(kStream, {id, 1});
  driver_.Result(kStream, {id, 1});
  EXPECT_EQ(Event(Severity::kCritical).disposition, Disposition::kQueued)
      << "the run investigated a warning";
}

TEST_F(SchedulerEscalation, TheLevelIncludesSeveritiesRaisedWhileQueued) {
  driver_.Draining(kStream);
  const std::string id = Event(Severity::kWarning).incident_id;
  EXPECT_EQ(Event(Severity::kCritical).incident_id, id) << "merged";
  driver_.Attach(2, "f", 1);
  driver_.Started(2, {id, 1});
  driver_.Result(2, {id, 1});
  EXPECT_EQ(Event(Severity::kCritical).Reason(), "duplicate");
}

TEST_F(SchedulerEscalation, AnEscalationThatNeverRanMayRepeat) {
  const std::string warning = Investigate(Severity::kWarning);
  driver_.Draining(kStream);
  const std::string critical = Event(Severity::kCritical).incident_id;
  EXPECT_EQ(driver_.Cancel(critical), Scheduler::Cancelled::kEnded);
  EXPECT_EQ(Event(Severity::kWarning).incident_id, warning);
  EXPECT_EQ(Event(Severity::kCritical).disposition, Disposition::kQueued);
}

TEST_F(SchedulerEscalation, TheFilterAndTheBreakerStillApply) {
  SchedulerOptions options = WithDuplicates();
  options.breaker.threshold = 1;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 1);
  driver.Event(0, Pod("a", Severity::kWarning));
  RunNext(driver, RunStatus::kFailure);
  EXPECT_EQ(driver.Event(0, Pod("a", Severity::kCritical)).Reason(), "circuit_breaker");
  EXPECT_EQ(driver.Event(0, Pod("a", Severity::kInfo)).Reason(), "severity");
}

TEST(SchedulerOverflow, TheGlobalLimitEvictsFromTheLongestQueue) {
  SchedulerOptions options = OptionsFor(2);
  options.global_queue_size = 3;
  SchedulerDriver driver(options);
  driver.Queue(0);
  driver.Pass(seconds(1));
  driver.Queue(0);
  driver.Queue(1);
  EXPECT_EQ(driver.Event(1).disposition, Disposition::kQueued);
  EXPECT_EQ(driver.Depth(0), 1u);
  EXPECT_EQ(driver.Depth(1), 2u);
  EXPECT_EQ(driver.Finished(FinalStatus::kEvicted, 0), 1u);
  EXPECT_EQ(driver.Only<QueueOverflowed>().cluster, "c0");
  EXPECT_EQ(driver.Only<IncidentFinished>().lease.incident_id, "incident-1") << "the oldest";
}

TEST(SchedulerOverflow, ARejectedNewcomerReportsTheDepthOfItsOwnQueue) {
  SchedulerOptions options = OptionsFor(2);
  options.global_queue_size = 3;
  options.overflow_policy = OverflowPolicy::kRejectNewest;
  SchedulerDriver driver(options);
  for (int i = 0; i < 3; ++i) driver.Queue(0);
  EXPECT_EQ(driver.Event(1).disposition, Disposition::kRejected);
  EXPECT_EQ(driver.Only<QueueOverflowed>().cluster, "c1");
  EXPECT_EQ(driver.Only<QueueOverflowed>().depth, 0u);
}

TEST(SchedulerOverflow, NeverEvictsACriticalIncidentForALowerOne) {
  SchedulerOptions options = OptionsFor(1);
  options.cluster_queue_size = 2;
  SchedulerDriver driver(options);
  driver.Event(0, Pod("a", Severity::kCritical));
  driver.Event(0, Pod("b", Severity::kCritical));
  const auto loser = driver.Event(0, Pod("c", Severity::kError));
  EXPECT_EQ(loser.disposition, Disposition::kRejected);
  EXPECT_EQ(driver.Only<QueueOverflowed>().event_id, "fault-c");
  EXPECT_EQ(driver.Event(0, Pod("d", Severity::kCritical)).disposition, Disposition::kQueued);
  EXPECT_EQ(driver.Finished(FinalStatus::kEvicted), 1u);
}

TEST(SchedulerBreaker, OpensAfterConsecutiveFailuresAndDropsEvents) {
  SchedulerDriver driver(WithBreaker());
  driver.Attach(kStream, "e", 1);
  driver.Queue();
  RunNext(driver, RunStatus::kFailure);
  driver.Queue();
  RunNext(driver, RunStatus::kTimeout);
  EXPECT_EQ(driver.Only<BreakerChanged>().state, State::kOpen);
  EXPECT_EQ(driver.Only<BreakerChanged>().failures, 2u);
  const auto dropped = driver.Event();
  EXPECT_EQ(dropped.disposition, Disposition::kBreakerDropped);
  EXPECT_EQ(driver.Counters().breaker_dropped, 1u);
  EXPECT_EQ(driver.Count<EventBreakerDropped>(), 1u);
}

TEST(SchedulerBreaker, ThePolicyHoldQueuesEvents) {
  SchedulerOptions options = WithBreaker();
  options.breaker_policy = BreakerPolicy::kHold;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 1);
  for (int i = 0; i < 2; ++i) {
    driver.Queue();
    RunNext(driver, RunStatus::kFailure);
  }
  EXPECT_EQ(driver.Event().disposition, Disposition::kQueued);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
}

TEST(SchedulerBreaker, ProbesOneAtATimeAfterTheCooldownAndClosesOnSuccess) {
  SchedulerOptions options = WithBreaker();
  options.breaker_policy = BreakerPolicy::kHold;
  options.max_agents_per_cluster = 5;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 5);
  for (int i = 0; i < 2; ++i) {
    driver.Queue();
    RunNext(driver, RunStatus::kFailure);
  }
  for (int i = 0; i < 3; ++i) driver.Queue();
  driver.PassWithTimers(seconds(59));
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.PassWithTimers(seconds(1));
  EXPECT_EQ(driver.Only<BreakerChanged>().state, State::kHalfOpen);
  const Lease probe = driver.Only<SendOffer>().lease;
  driver.Started(kStream, probe);
  driver.Result(kStream, probe, RunStatus::kInterrupted);
  const Lease second_probe = driver.Only<SendOffer>().lease;
  driver.Started(kStream, second_probe);
  driver.Result(kStream, second_probe, RunStatus::kSuccess);
  EXPECT_EQ(driver.Only<BreakerChanged>().state, State::kClosed);
  EXPECT_EQ(driver.Count<SendOffer>(), 2u) << "all queued incidents may run again";
}

TEST(SchedulerBreaker, IgnoresResultsOfRunsFromBeforeItOpened) {
  SchedulerOptions options = WithBreaker();
  options.max_agents_per_cluster = 5;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 5);
  std::vector<Lease> leases;
  for (int i = 0; i < 3; ++i) {
    driver.Queue();
    leases.push_back(driver.Only<SendOffer>().lease);
    driver.Started(kStream, leases.back());
  }
  driver.Result(kStream, leases[0], RunStatus::kFailure);
  driver.Result(kStream, leases[1], RunStatus::kFailure);
  driver.Result(kStream, leases[2], RunStatus::kSuccess);
  EXPECT_EQ(driver.scheduler().breaker().state(), State::kOpen);
  EXPECT_EQ(driver.Count<BreakerChanged>(), 0u);
}

TEST(SchedulerBreaker, LeavesTheOpenStateWithoutInput) {
  SchedulerDriver driver(WithBreaker());
  driver.Attach(kStream, "e", 1);
  for (int i = 0; i < 2; ++i) {
    driver.Queue();
    RunNext(driver, RunStatus::kFailure);
  }
  EXPECT_EQ(driver.scheduler().NextDeadline(), driver.now().mono + seconds(60));
  driver.PassWithTimers(seconds(60));
  EXPECT_EQ(driver.scheduler().breaker().state(), State::kHalfOpen);
  EXPECT_EQ(driver.Event().disposition, Disposition::kQueued);
}

TEST(SchedulerRate, LimitsTheRunsWithinAnHour) {
  SchedulerOptions options = OptionsFor(1);
  options.max_runs_per_hour = 2;
  options.max_queue_age = hours(3);
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 1);
  for (int i = 0; i < 2; ++i) {
    driver.Queue();
    RunNext(driver, RunStatus::kSuccess);
    driver.Pass(minutes(10));
  }
  driver.Queue();
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.PassWithTimers(minutes(40) - seconds(1));
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.PassWithTimers(seconds(1));
  EXPECT_EQ(driver.Count<SendOffer>(), 1u) << "an hour after the first run began";
}

TEST(SchedulerRate, CountsARunWhoseStartedWasLost) {
  SchedulerOptions options = OptionsFor(1);
  options.max_runs_per_hour = 1;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 2);
  Outcome outcome;
  outcome.status = RunStatus::kInterrupted;
  outcome.started = true;
  const std::string id = driver.Queue();
  driver.Result(kStream, driver.LeaseOf(id), outcome);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  EXPECT_EQ(driver.Record(id).interrupted, 1u);
}

TEST(SchedulerRate, DoesNotCountALeaseWithoutARun) {
  SchedulerOptions options = OptionsFor(1);
  options.max_runs_per_hour = 1;
  SchedulerDriver driver(options);
  driver.Hello(kStream, driver.HelloOf("e", 1));
  driver.Credits(kStream, 1);
  driver.Queue();
  driver.Reject(kStream, driver.Only<SendOffer>().lease);
  driver.Credits(kStream, 2);
  driver.PassWithTimers(minutes(1));
  EXPECT_EQ(driver.Count<SendOffer>(), 1u);
}

}  // namespace
}  // namespace runner::ingest
