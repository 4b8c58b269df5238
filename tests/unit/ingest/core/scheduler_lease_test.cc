// From the queue to an executor: limits, turns, and the end of a lease.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

std::vector<std::string> Offered(const SchedulerDriver& driver) {
  std::vector<std::string> ids;
  for (const SendOffer& offer : driver.All<SendOffer>()) ids.push_back(offer.lease.incident_id);
  return ids;
}

SchedulerOptions Wide(std::size_t clusters) {
  SchedulerOptions options = OptionsFor(clusters);
  options.max_agents_per_cluster = 100;
  options.max_concurrent_agents = 100;
  return options;
}

// --- turns ----------------------------------------------------------------------------------

TEST(SchedulerTurns, LeasesFirstInFirstOut) {
  SchedulerDriver driver(Wide(1));
  const std::string a = driver.Queue(), b = driver.Queue(), c = driver.Queue();
  driver.Attach(kStream, "e", 3);
  EXPECT_THAT(Offered(driver), ElementsAre(a, b, c));
}

TEST(SchedulerTurns, LimitsAgentsPerCluster) {
  SchedulerDriver driver(OptionsFor(2));
  const std::string a = driver.Queue(0), a2 = driver.Queue(0), b = driver.Queue(1);
  driver.Attach(kStream, "e", 5);
  EXPECT_THAT(Offered(driver), ElementsAre(a, b));
  driver.Result(kStream, {a, 1});
  EXPECT_THAT(Offered(driver), ElementsAre(a2));
}

TEST(SchedulerTurns, LimitsAgentsInTotal) {
  SchedulerOptions options = OptionsFor(6);
  options.max_concurrent_agents = 2;
  SchedulerDriver driver(options);
  for (ClusterIndex i = 0; i < 6; ++i) driver.Queue(i);
  driver.Attach(kStream, "e", 5);
  EXPECT_EQ(driver.Count<SendOffer>(), 2u);
  driver.Result(kStream, driver.All<SendOffer>().front().lease);
  EXPECT_EQ(driver.Count<SendOffer>(), 1u);
}

TEST(SchedulerTurns, ClustersTakeTurns) {
  SchedulerOptions options = OptionsFor(3);
  options.max_concurrent_agents = 1;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 100);
  for (int i = 0; i < 4; ++i) driver.Queue(0);  // a busy cluster
  for (int i = 0; i < 2; ++i) driver.Queue(1);
  for (int i = 0; i < 2; ++i) driver.Queue(2);
  std::vector<std::size_t> order;
  Lease lease{"incident-1", 1};
  while (true) {
    order.push_back(driver.Record(lease.incident_id).cluster);
    driver.Result(kStream, lease);
    if (driver.Count<SendOffer>() == 0) break;
    lease = driver.Only<SendOffer>().lease;
  }
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 0, 1, 2, 0, 0));
}

TEST(SchedulerTurns, OffersToTheExecutorWithTheMostFreeSlots) {
  SchedulerDriver driver(Wide(1));
  driver.Attach(1, "small", 1);
  driver.Attach(2, "big", 3);
  std::vector<StreamId> streams;
  for (int i = 0; i < 4; ++i) {
    driver.Queue();
    streams.push_back(driver.Only<SendOffer>().stream);
  }
  EXPECT_EQ(std::count(streams.begin(), streams.end(), 2u), 3);
  EXPECT_EQ(streams[0], 2u);
  EXPECT_EQ(streams[1], 2u);
  driver.Queue();
  EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "all slots are taken";
}

TEST(SchedulerTurns, CreditsBoundOffers) {
  SchedulerDriver driver(Wide(1));
  for (int i = 0; i < 5; ++i) driver.Queue();
  driver.Hello(kStream, driver.HelloOf("e", 4));
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.Credits(kStream, 2);
  EXPECT_EQ(driver.Count<SendOffer>(), 2u);
  driver.Credits(kStream, 2);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "the total is repeated";
  driver.Credits(kStream, 1);
  driver.Credits(kStream, 100);
  EXPECT_EQ(driver.Count<SendOffer>(), 2u) << "never above the slots";
}

TEST(SchedulerTurns, ADrainingExecutorReceivesNoOffer) {
  SchedulerDriver driver(Wide(1));
  driver.Attach(1, "e", 4);
  driver.Attach(2, "f", 1);
  driver.Draining(1);
  driver.Queue();
  EXPECT_EQ(driver.Only<SendOffer>().stream, 2u);
  driver.Queue();
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.Attach(3, "e", 4);
  EXPECT_EQ(driver.Only<SendOffer>().stream, 3u) << "a new stream resets draining";
}

TEST(SchedulerTurns, AnOfferCarriesItsIncidentAndLease) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(kStream, "e", 1);
  const std::string id = driver.Queue();
  EXPECT_EQ(driver.Only<SendOffer>().incident.id, id);
  EXPECT_EQ(driver.Only<SendOffer>().lease, (Lease{id, 1}));
  EXPECT_EQ(driver.Only<IncidentLeased>().executor_id, "e");
  EXPECT_EQ(driver.Only<IncidentLeased>().cluster, "c0");
  EXPECT_EQ(driver.Counters().dequeued, 1u);
}

// --- the end of a lease ---------------------------------------------------------------------

class SchedulerLease : public ::testing::Test {
 protected:
  // Offers one incident on kStream.
  void Lease1() {
    driver_.Attach(kStream, "e", 1);
    lease_ = {driver_.Queue(), 1};
    ASSERT_EQ(driver_.Only<SendOffer>().lease, lease_);
  }
  IncidentState State() const { return driver_.Record(lease_.incident_id).state; }

  SchedulerDriver driver_{OptionsFor(1)};
  Lease lease_;
};

TEST_F(SchedulerLease, AResultFinishesTheIncidentAndIsAcknowledged) {
  Lease1();
  driver_.Accept(kStream, lease_);
  EXPECT_EQ(State(), IncidentState::kRunning);
  driver_.Started(kStream, lease_);
  driver_.Result(kStream, lease_, RunStatus::kTimeout);
  EXPECT_EQ(driver_.Only<SendResultAck>().lease, lease_);
  EXPECT_EQ(driver_.Only<IncidentFinished>().status, FinalStatus::kTimeout);
  EXPECT_EQ(driver_.Finished(FinalStatus::kTimeout), 1u);
  EXPECT_EQ(State(), IncidentState::kFinished);
}

TEST_F(SchedulerLease, EveryFinalStatusFinishesTheIncident) {
  driver_.Attach(kStream, "e", 100);
  for (const RunStatus status :
       {RunStatus::kSuccess, RunStatus::kFailure, RunStatus::kTimeout, RunStatus::kCancelled}) {
    const std::string id = driver_.Queue();
    driver_.Credits(kStream, 200);
    driver_.Result(kStream, {id, 1}, status);
    EXPECT_EQ(driver_.Record(id).status, FinalStatusOf(status));
  }
}

TEST_F(SchedulerLease, AResultBeforeAcceptedCounts) {
  Lease1();
  driver_.Result(kStream, lease_);
  EXPECT_EQ(driver_.Record(lease_.incident_id).status, FinalStatus::kSuccess);
}

TEST_F(SchedulerLease, ARepeatedResultIsAcknowledgedAgainAndCountedOnce) {
  Lease1();
  driver_.Result(kStream, lease_);
  driver_.Result(kStream, lease_, RunStatus::kFailure);
  EXPECT_EQ(driver_.Only<SendResultAck>().lease, lease_);
  EXPECT_EQ(driver_.effects().size(), 1u);
  EXPECT_EQ(driver_.Finished(FinalStatus::kSuccess), 1u);
  EXPECT_EQ(driver_.Finished(FinalStatus::kFailure), 0u);
}

TEST_F(SchedulerLease, LatencyIsObservedOncePerStart) {
  Lease1();
  driver_.Pass(milliseconds(20));
  driver_.Started(kStream, lease_);
  driver_.Started(kStream, lease_);
  EXPECT_EQ(driver_.scheduler().counters().dispatch_latency.Count(), 1u);
  EXPECT_DOUBLE_EQ(driver_.scheduler().counters().dispatch_latency.Sum(), 0.02);
}

TEST_F(SchedulerLease, ARejectedIncidentIsRequeuedAtTheFront) {
  Lease1();
  driver_.Queue();
  driver_.Draining(kStream);
  driver_.Reject(kStream, lease_);
  EXPECT_EQ(driver_.Only<IncidentRequeued>().lease, lease_);
  EXPECT_EQ(State(), IncidentState::kQueued);
  EXPECT_EQ(driver_.Counters().requeued, 1u);
  driver_.Attach(2, "f", 1);
  EXPECT_EQ(driver_.Only<SendOffer>().lease, (Lease{lease_.incident_id, 2}));
}

TEST_F(SchedulerLease, IgnoresARejectionAfterAccepted) {
  Lease1();
  driver_.Accept(kStream, lease_);
  driver_.Reject(kStream, lease_);
  EXPECT_EQ(State(), IncidentState::kRunning);
}

TEST_F(SchedulerLease, AnOfferNotAcceptedInTimeIsCancelledAndRequeued) {
  Lease1();
  EXPECT_EQ(driver_.scheduler().NextDeadline(), driver_.now().mono + seconds(10));
  driver_.Pass(seconds(10));
  driver_.Draining(kStream);
  driver_.Timer();
  EXPECT_EQ(driver_.Only<SendCancel>().lease, lease_);
  EXPECT_EQ(driver_.Only<SendCancel>().stream, kStream);
  EXPECT_EQ(driver_.Only<IncidentRequeued>().reason, RequeueReason::kAcceptTimeout);
  EXPECT_EQ(State(), IncidentState::kQueued);
  EXPECT_EQ(driver_.Counters().leases_expired, 0u);
  driver_.Accept(kStream, lease_);
  EXPECT_EQ(driver_.Only<SendCancel>().reason, dispatch::CancelReason::kStale);
}

TEST_F(SchedulerLease, AnExecutorThatAcceptsNothingDelaysOnlyItsOwnOffers) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(kStream, "stuck", 50);
  driver.Attach(2, "works", 1);
  const std::string id = driver.Queue();
  ASSERT_EQ(driver.Only<SendOffer>().stream, kStream) << "it has the most free slots";
  driver.Pass(seconds(10));
  driver.Timer();
  EXPECT_EQ(driver.Only<IncidentRequeued>().reason, RequeueReason::kAcceptTimeout);
  EXPECT_EQ(driver.Only<SendOffer>().stream, 2u);
  EXPECT_EQ(driver.Only<SendOffer>().lease, (Lease{id, 2}));
}

TEST_F(SchedulerLease, AnAcceptedLeaseHasNoTimeLimit) {
  Lease1();
  driver_.Accept(kStream, lease_);
  driver_.PassWithTimers(minutes(60));
  EXPECT_EQ(State(), IncidentState::kRunning);
}

TEST_F(SchedulerLease, LostStartedLeasesExhaustTheAttempts) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    driver.Attach(attempt, "e" + std::to_string(attempt), 1);
    driver.Started(attempt, {id, attempt});
    driver.StreamClosed(attempt);
    driver.PassWithTimers(seconds(60));
  }
  EXPECT_EQ(driver.Record(id).status, FinalStatus::kFailure);
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
  EXPECT_EQ(driver.Counters().leases_expired, 3u);
  EXPECT_EQ(driver.Counters().requeued, 2u);
}

TEST_F(SchedulerLease, ALeaseLostBeforeTheStartIsNotAnAttempt) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  for (std::uint32_t attempt = 1; attempt <= 9; ++attempt) {
    driver.Attach(attempt, "e" + std::to_string(attempt), 1);
    driver.Accept(attempt, {id, attempt});
    driver.StreamClosed(attempt);
    driver.PassWithTimers(seconds(60));
  }
  EXPECT_EQ(driver.Record(id).state, IncidentState::kQueued);
}

TEST_F(SchedulerLease, AnInterruptedIncidentIsRequeuedUpToTheMaximum) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 100);
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    ASSERT_EQ(driver.Record(id).attempt, attempt);
    driver.Started(kStream, {id, attempt});
    driver.Result(kStream, {id, attempt}, RunStatus::kInterrupted);
    EXPECT_EQ(driver.Only<SendResultAck>().lease.attempt, attempt);
  }
  EXPECT_EQ(driver.Record(id).status, FinalStatus::kFailure);
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
  EXPECT_EQ(driver.Counters().requeued, 9u);
}

TEST_F(SchedulerLease, AnIncidentThatNeverStartsFailsAfterMaxUnstarted) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  const std::string behind = driver.Queue();
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    driver.Attach(attempt, "e" + std::to_string(attempt), 1);
    driver.Accept(attempt, {id, attempt});
    driver.StreamClosed(attempt);
    driver.PassWithTimers(seconds(50));
    driver.Attach(attempt + 100, "e" + std::to_string(attempt), 0);  // lists no lease
  }
  EXPECT_EQ(driver.Record(id).status, FinalStatus::kFailure);
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
  driver.Attach(1000, "f", 1);
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, behind);
}

SchedulerOptions OptionsForHours() {
  SchedulerOptions options = OptionsFor(1);
  options.max_queue_age = minutes(600);
  options.breaker.threshold = 1;
  return options;
}

// Advances time until an offer is made; returns the seconds.
int AwaitOffer(SchedulerDriver& driver) {
  int waited = 0;
  for (driver.PassWithTimers(Duration::zero()); driver.Count<SendOffer>() == 0 && waited < 1000;
       ++waited) {
    driver.PassWithTimers(seconds(1));
  }
  return waited;
}

TEST_F(SchedulerLease, RejectionsAreNotAttempts) {
  SchedulerDriver driver(OptionsForHours());
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 20);
  for (std::uint32_t attempt = 1; attempt <= 15; ++attempt) {
    driver.Reject(kStream, {id, attempt});
    AwaitOffer(driver);
  }
  EXPECT_EQ(driver.Record(id).state, IncidentState::kOffered);
}

TEST_F(SchedulerLease, TheOfferDelayDoublesWithEachRejection) {
  SchedulerDriver driver(OptionsForHours());
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 20);
  std::vector<int> delays;
  for (std::uint32_t attempt = 1; attempt <= 9; ++attempt) {
    driver.Reject(kStream, {id, attempt});
    EXPECT_EQ(driver.Count<SendOffer>(), 0u);
    driver.Credits(kStream, 1000);
    EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "credits change nothing";
    EXPECT_EQ(driver.scheduler().WhyNotLeased(0, driver.now().mono),
              Scheduler::WaitReason::kOffersDelayed);
    delays.push_back(AwaitOffer(driver));
  }
  EXPECT_THAT(delays, ElementsAre(1, 2, 4, 8, 16, 32, 60, 60, 60));
}

TEST_F(SchedulerLease, ARunThatStartsResetsTheDelay) {
  SchedulerDriver driver(OptionsForHours());
  driver.Attach(kStream, "e", 20);
  const std::string id = driver.Queue();
  for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
    driver.Reject(kStream, {id, attempt});
    AwaitOffer(driver);
  }
  driver.Started(kStream, {id, 5});
  driver.Result(kStream, {id, 5}, RunStatus::kSuccess);
  const std::string next = driver.Queue();
  driver.Reject(kStream, {next, 1});
  driver.PassWithTimers(seconds(1));
  EXPECT_EQ(driver.Only<SendOffer>().lease, (Lease{next, 2}));
}

// With as many outstanding offers as slots.
SchedulerOptions OptionsForBursts() {
  SchedulerOptions options = OptionsForHours();
  options.max_concurrent_agents = options.max_agents_per_cluster = 8;
  return options;
}

TEST_F(SchedulerLease, ABurstOfRejectionsCountsOnce) {
  SchedulerDriver driver(OptionsForBursts());
  driver.Attach(kStream, "e", 8);
  for (int i = 0; i < 8; ++i) driver.Queue();
  std::vector<int> delays;
  for (int burst = 1; burst <= 3; ++burst) {
    for (const auto& [id, held] : std::map(driver.scheduler().leases().leases())) {
      driver.Reject(kStream, held.lease);
      EXPECT_EQ(driver.Count<SendOffer>(), 0u);
    }
    driver.Credits(kStream, 1000);
    delays.push_back(AwaitOffer(driver));
    EXPECT_EQ(driver.Count<SendOffer>(), 8u);
  }
  EXPECT_THAT(delays, ElementsAre(1, 2, 4));
}

TEST_F(SchedulerLease, ALateRejectionDoesNotChangeTheDelay) {
  SchedulerDriver driver(OptionsForBursts());
  driver.Attach(kStream, "e", 2);
  const std::string early = driver.Queue();
  const std::string late = driver.Queue();
  driver.Reject(kStream, {early, 1});
  driver.Credits(kStream, 1000);
  EXPECT_EQ(AwaitOffer(driver), 1);
  driver.Reject(kStream, {late, 1});
  EXPECT_EQ(driver.Only<SendOffer>().lease, (Lease{late, 2})) << "the delay was over";
  driver.Reject(kStream, {late, 2});
  EXPECT_EQ(AwaitOffer(driver), 2);
}

TEST_F(SchedulerLease, AHelloKeepsTheDelay) {
  SchedulerDriver driver(OptionsForHours());
  driver.Attach(kStream, "e", 20);
  const std::string id = driver.Queue();
  std::vector<int> delays;
  for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
    const StreamId stream = attempt;
    driver.Reject(stream, {id, attempt});
    driver.StreamClosed(stream);
    EXPECT_EQ(driver.Count<SendOffer>(), 0u);
    driver.Attach(stream + 1, "e", 20);
    EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "a Hello keeps the delay";
    delays.push_back(AwaitOffer(driver));
  }
  EXPECT_THAT(delays, ElementsAre(1, 2, 4, 8));
  driver.Reject(5, {id, 5});
  driver.Attach(6, "e", 20);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "a superseding stream keeps the delay";
  EXPECT_EQ(AwaitOffer(driver), 16);
}

TEST_F(SchedulerLease, TheDelayIsRemovedWithTheExecutor) {
  SchedulerDriver driver(OptionsForHours());
  driver.Attach(kStream, "e", 20);
  const std::string id = driver.Queue();
  for (std::uint32_t attempt = 1; attempt <= 9; ++attempt) {
    driver.Reject(kStream, {id, attempt});
    AwaitOffer(driver);
  }
  driver.Reject(kStream, {id, 10});
  driver.StreamClosed(kStream);
  driver.PassWithTimers(seconds(60));
  EXPECT_TRUE(driver.scheduler().leases().executors().empty());
  driver.Attach(2, "e", 20);
  EXPECT_EQ(driver.Only<SendOffer>().lease, (Lease{id, 11}));
  driver.Reject(2, {id, 11});
  EXPECT_EQ(AwaitOffer(driver), 1);
}

TEST_F(SchedulerLease, TheDelaysOfTheLatestDetachedExecutorsAreKept) {
  SchedulerOptions options = OptionsForHours();
  options.leases.max_remembered = 3;
  SchedulerDriver driver(options);
  const std::string id = driver.Queue();
  for (std::uint32_t i = 1; i <= 10; ++i) {
    driver.Attach(i, "e" + std::to_string(i), 1);
    driver.Reject(i, {id, i});
    driver.StreamClosed(i);
    driver.Pass(milliseconds(1));
    EXPECT_LE(driver.scheduler().leases().executors().size(), 3u);
  }
  driver.Attach(11, "e10", 1);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.Attach(12, "e7", 1);
  EXPECT_EQ(driver.Count<SendOffer>(), 1u);
}

TEST_F(SchedulerLease, OffersAreDelayedOnlyIfAnExecutorWithAFreeSlotIs) {
  SchedulerDriver driver(OptionsForBursts());
  driver.Attach(kStream, "e", 2);
  const std::string runs = driver.Queue();
  driver.Accept(kStream, {runs, 1});
  const std::string rejected = driver.Queue();
  const auto why = [&] { return driver.scheduler().WhyNotLeased(0, driver.now().mono); };
  driver.Reject(kStream, {rejected, 1});
  EXPECT_EQ(why(), Scheduler::WaitReason::kNoFreeSlot)
      << "without credit its delay does not matter";
  driver.Credits(kStream, 3);
  EXPECT_EQ(why(), Scheduler::WaitReason::kOffersDelayed);
  driver.Draining(kStream);
  EXPECT_EQ(why(), Scheduler::WaitReason::kNoExecutor);
  driver.Attach(2, "other", 0);
  EXPECT_EQ(why(), Scheduler::WaitReason::kNoFreeSlot) << "only the draining executor is delayed";
}

TEST_F(SchedulerLease, AnotherExecutorReceivesARejectedOffer) {
  SchedulerDriver driver(OptionsForHours());
  driver.Attach(1, "short", 20);
  driver.Attach(2, "fit", 1);
  const std::string id = driver.Queue();
  driver.Reject(1, {id, 1});
  EXPECT_EQ(driver.Only<SendOffer>().stream, 2u);
}

TEST_F(SchedulerLease, AShortageAfterAcceptedIsNeitherAnAttemptNorAFailure) {
  SchedulerDriver driver(OptionsForHours());
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 100);
  Outcome outcome;
  outcome.status = RunStatus::kInterrupted;
  outcome.reason = kShortage;
  for (std::uint32_t attempt = 1; attempt <= 30; ++attempt) {
    driver.Accept(kStream, {id, attempt});
    driver.Result(kStream, {id, attempt}, outcome);
    EXPECT_EQ(driver.Only<IncidentRequeued>().reason, RequeueReason::kShortage);
    EXPECT_EQ(driver.Only<SendResultAck>().lease.attempt, attempt);
    EXPECT_EQ(driver.Count<SendOffer>(), 0u) << "a shortage delays offers like a rejection";
    AwaitOffer(driver);
  }
  EXPECT_EQ(driver.scheduler().breaker().failures(), 0u);
  EXPECT_EQ(driver.Record(id).state, IncidentState::kOffered);
}

// A shortage reported after the start costs an attempt: an agent ran.
TEST_F(SchedulerLease, AShortageAfterTheStartCountsAsAnInterruption) {
  SchedulerDriver driver(OptionsForHours());
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 100);
  Outcome outcome;
  outcome.status = RunStatus::kInterrupted;
  outcome.reason = kShortage;
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    driver.Started(kStream, {id, attempt});
    driver.Result(kStream, {id, attempt}, outcome);
  }
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
}

TEST_F(SchedulerLease, AnInterruptionBeforeTheStartIsNotAnAttempt) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 100);
  for (std::uint32_t attempt = 1; attempt <= 9; ++attempt) {
    driver.Result(kStream, {id, attempt}, RunStatus::kInterrupted);
  }
  driver.Started(kStream, {id, 10});
  driver.Result(kStream, {id, 10}, RunStatus::kInterrupted);
  EXPECT_EQ(driver.Record(id).interrupted, 1u);
  EXPECT_EQ(driver.Record(id).state, IncidentState::kOffered);
}

TEST_F(SchedulerLease, ARunLostWithItsExecutorIsALostAttemptDespiteItsResult) {
  SchedulerDriver driver(OptionsFor(1));
  const std::string id = driver.Queue();
  driver.Attach(kStream, "e", 100);
  Outcome outcome;
  outcome.status = RunStatus::kInterrupted;
  outcome.reason = kExecutorLost;
  outcome.started = true;
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    driver.Result(kStream, {id, attempt}, outcome);
  }
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
}

TEST_F(SchedulerLease, LeasesLostTogetherKeepTheirOrder) {
  SchedulerOptions options = OptionsFor(1);
  options.max_agents_per_cluster = 3;
  SchedulerDriver driver(options);
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(driver.Queue());
  driver.Attach(kStream, "e", 3);
  driver.StreamClosed(kStream);
  driver.PassWithTimers(seconds(60));
  driver.Attach(2, "f", 3);
  std::vector<std::string> offered;
  for (const SendOffer& offer : driver.All<SendOffer>()) {
    offered.push_back(offer.lease.incident_id);
  }
  EXPECT_EQ(offered, ids);

  driver.Attach(3, "f", 3);  // lists no lease
  offered.clear();
  for (const SendOffer& offer : driver.All<SendOffer>()) {
    offered.push_back(offer.lease.incident_id);
  }
  EXPECT_EQ(offered, ids);
}

TEST_F(SchedulerLease, StaleMessagesReceiveCancelAndChangeNothing) {
  Lease1();
  const Lease stale{lease_.incident_id, 7};
  const Lease unknown{"nobody", 1};
  for (const Lease& lease : {stale, unknown}) {
    driver_.Accept(kStream, lease);
    EXPECT_EQ(driver_.Only<SendCancel>().lease, lease);
    driver_.Started(kStream, lease);
    EXPECT_EQ(driver_.Only<SendCancel>().lease, lease);
    driver_.Result(kStream, lease);
    EXPECT_EQ(driver_.Only<SendCancel>().lease, lease);
    EXPECT_EQ(driver_.Count<SendResultAck>(), 0u);
    driver_.Reject(kStream, lease);
    EXPECT_EQ(State(), IncidentState::kOffered);
  }
  EXPECT_EQ(driver_.scheduler().counters().dispatch_latency.Count(), 0u);
}

TEST_F(SchedulerLease, MessagesOfAnotherExecutorAreStale) {
  Lease1();
  driver_.Attach(2, "f", 1);
  driver_.Result(2, lease_);
  EXPECT_EQ(driver_.Only<SendCancel>().stream, 2u);
  driver_.Accept(2, lease_);
  EXPECT_EQ(driver_.Count<SendCancel>(), 1u);
  EXPECT_EQ(State(), IncidentState::kOffered);
}

TEST_F(SchedulerLease, IgnoresAResultOfAReassignedAttempt) {
  Lease1();
  driver_.Started(kStream, lease_);
  driver_.StreamClosed(kStream);
  driver_.PassWithTimers(seconds(60));
  driver_.Attach(2, "f", 1);
  driver_.Attach(3, "e", 1);
  driver_.Result(3, lease_);
  EXPECT_EQ(driver_.Only<SendCancel>().reason, dispatch::CancelReason::kStale);
  EXPECT_EQ(State(), IncidentState::kOffered);
}

}  // namespace
}  // namespace runner::ingest
