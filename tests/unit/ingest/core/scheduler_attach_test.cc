// Executors that attach, detach and reattach; the drain of ingest.

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class SchedulerAttach : public ::testing::Test {
 protected:
  // Starts one incident on stream 1 of executor "e".
  void Run1() {
    driver_.Attach(1, "e", 1);
    lease_ = {driver_.Queue(), 1};
    driver_.Accept(1, lease_);
    driver_.Started(1, lease_);
  }
  dispatch::Hello HelloWith(const Lease& running) const {
    dispatch::Hello hello = SchedulerDriver::HelloOf("e", 1);
    hello.running = {running};
    return hello;
  }
  IncidentState State() const { return driver_.Record(lease_.incident_id).state; }

  SchedulerDriver driver_{OptionsFor(1)};
  Lease lease_;
};

TEST_F(SchedulerAttach, SendsWelcomeBeforeAnyOffer) {
  driver_.Queue();
  driver_.Hello(1, driver_.HelloOf("e", 1));
  ASSERT_EQ(driver_.effects().size(), 1u);
  EXPECT_EQ(driver_.Only<SendWelcome>().stream, 1u);
  EXPECT_TRUE(driver_.Only<SendWelcome>().decisions.empty());
}

TEST_F(SchedulerAttach, ALostStreamKeepsItsLeasesForTheTimeToLive) {
  Run1();
  driver_.StreamClosed(1);
  EXPECT_EQ(driver_.scheduler().NextDeadline(), driver_.now().mono + seconds(60));
  driver_.Pass(seconds(60) - milliseconds(1));
  driver_.Timer();
  EXPECT_EQ(State(), IncidentState::kRunning);
  driver_.Pass(milliseconds(1));
  driver_.Timer();
  EXPECT_EQ(driver_.Only<IncidentRequeued>().reason, RequeueReason::kLeaseExpired);
  EXPECT_EQ(driver_.Counters().leases_expired, 1u);
  EXPECT_EQ(State(), IncidentState::kQueued);
  EXPECT_TRUE(driver_.scheduler().leases().executors().empty()) << "no executor is kept";
}

TEST_F(SchedulerAttach, AnOfferOnALostStreamIsKeptForTheTimeToLive) {
  driver_.Attach(1, "e", 1);
  lease_ = {driver_.Queue(), 1};
  driver_.StreamClosed(1);
  driver_.PassWithTimers(seconds(59));
  EXPECT_EQ(State(), IncidentState::kOffered);
  driver_.PassWithTimers(seconds(1));
  EXPECT_EQ(State(), IncidentState::kQueued);
}

TEST_F(SchedulerAttach, ReattachWithinTheTimeToLiveKeepsTheLease) {
  Run1();
  driver_.StreamClosed(1);
  driver_.PassWithTimers(seconds(59));
  driver_.Hello(2, HelloWith(lease_));
  const SendWelcome welcome = driver_.Only<SendWelcome>();
  ASSERT_EQ(welcome.decisions.size(), 1u);
  EXPECT_EQ(welcome.decisions[0].lease, lease_);
  EXPECT_TRUE(welcome.decisions[0].keep);
  EXPECT_EQ(driver_.Count<IncidentRequeued>(), 0u);
  driver_.PassWithTimers(minutes(10));
  driver_.Result(2, lease_);
  EXPECT_EQ(driver_.Record(lease_.incident_id).status, FinalStatus::kSuccess);
}

TEST_F(SchedulerAttach, ReattachReplacesALostAccepted) {
  driver_.Attach(1, "e", 1);
  lease_ = {driver_.Queue(), 1};
  driver_.StreamClosed(1);
  driver_.Hello(2, HelloWith(lease_));
  EXPECT_TRUE(driver_.Only<SendWelcome>().decisions.at(0).keep);
  EXPECT_EQ(State(), IncidentState::kRunning);
  driver_.PassWithTimers(minutes(10));
  EXPECT_EQ(State(), IncidentState::kRunning) << "no accept timeout any more";
}

TEST_F(SchedulerAttach, AWaitingResultIsKeptAndAcknowledged) {
  Run1();
  driver_.StreamClosed(1);
  dispatch::Hello hello = driver_.HelloOf("e", 1);
  hello.results_waiting = {lease_};
  driver_.Hello(2, hello);
  EXPECT_TRUE(driver_.Only<SendWelcome>().decisions.at(0).keep);
  driver_.Result(2, lease_);
  EXPECT_EQ(driver_.Count<SendResultAck>(), 1u);
}

TEST_F(SchedulerAttach, ReattachAfterTheTimeToLiveDropsAReassignedLease) {
  Run1();
  driver_.StreamClosed(1);
  driver_.PassWithTimers(seconds(60));
  driver_.Attach(2, "f", 1);
  ASSERT_EQ(driver_.Only<SendOffer>().lease, (Lease{lease_.incident_id, 2}));
  driver_.Hello(3, HelloWith(lease_));
  ASSERT_EQ(driver_.Only<SendWelcome>().decisions.size(), 1u);
  EXPECT_FALSE(driver_.Only<SendWelcome>().decisions[0].keep);
  EXPECT_EQ(driver_.Record(lease_.incident_id).executor_id, "f");
}

TEST_F(SchedulerAttach, ALeaseMissingFromHelloIsRequeuedAtOnce) {
  Run1();
  driver_.StreamClosed(1);
  driver_.Pass(seconds(1));
  driver_.Hello(2, driver_.HelloOf("e", 1));
  EXPECT_TRUE(driver_.Only<SendWelcome>().decisions.empty());
  EXPECT_EQ(driver_.Only<IncidentRequeued>().lease, lease_);
  EXPECT_EQ(driver_.Counters().leases_expired, 0u);
  driver_.Credits(2, 1);
  EXPECT_EQ(driver_.Only<SendOffer>().lease, (Lease{lease_.incident_id, 2}));
}

TEST_F(SchedulerAttach, AnUnlistedStartedLeaseCountsAsALostAttempt) {
  SchedulerOptions options = OptionsFor(1);
  options.max_attempts = 1;
  SchedulerDriver driver(options);
  driver.Attach(1, "e", 1);
  const std::string id = driver.Queue();
  driver.Started(1, {id, 1});
  driver.Hello(2, driver.HelloOf("e", 1));
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
}

TEST_F(SchedulerAttach, KeptRunsCountAgainstSlotsAndLimits) {
  SchedulerOptions options = OptionsFor(3);
  options.max_concurrent_agents = 2;
  SchedulerDriver driver(options);
  driver.Attach(1, "e", 2);
  for (ClusterIndex i = 0; i < 3; ++i) driver.Queue(i);
  driver.StreamClosed(1);
  dispatch::Hello hello = driver.HelloOf("e", 2);
  hello.running = {{"incident-1", 1}, {"incident-2", 1}};
  driver.Hello(2, hello);
  driver.Credits(2, 2);
  driver.Attach(3, "f", 2);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.Result(2, {"incident-1", 1});
  EXPECT_EQ(driver.Only<SendOffer>().lease.incident_id, "incident-3");
}

TEST_F(SchedulerAttach, ASecondStreamSupersedesTheFirst) {
  Run1();
  driver_.Hello(2, HelloWith(lease_));
  EXPECT_EQ(driver_.Only<CloseSuperseded>().stream, 1u);
  EXPECT_TRUE(driver_.Only<SendWelcome>().decisions.at(0).keep);
  driver_.StreamClosed(1);
  driver_.PassWithTimers(minutes(10));
  EXPECT_EQ(State(), IncidentState::kRunning) << "the end of the old stream is ignored";
  driver_.Accept(1, lease_);
  EXPECT_EQ(driver_.Only<SendCancel>().stream, 1u);
  driver_.Result(1, lease_);
  EXPECT_EQ(State(), IncidentState::kRunning) << "messages of the old stream are ignored";
  driver_.Result(2, lease_);
  EXPECT_EQ(State(), IncidentState::kFinished);
}

TEST_F(SchedulerAttach, ARepeatedResultIsAcknowledgedAfterReattach) {
  Run1();
  driver_.Result(1, lease_);
  driver_.StreamClosed(1);
  dispatch::Hello hello = driver_.HelloOf("e", 1);
  hello.results_waiting = {lease_};
  driver_.Hello(2, hello);
  driver_.Result(2, lease_);
  EXPECT_EQ(driver_.Only<SendResultAck>().lease, lease_);
  EXPECT_EQ(driver_.Finished(FinalStatus::kSuccess), 1u);
}

TEST_F(SchedulerAttach, AnInterruptedResultMayRepeatAfterTheRequeue) {
  Run1();
  driver_.Draining(1);
  driver_.Result(1, lease_, RunStatus::kInterrupted);
  driver_.Result(1, lease_, RunStatus::kInterrupted);
  EXPECT_EQ(driver_.Counters().requeued, 1u);
  EXPECT_EQ(driver_.Count<SendResultAck>() + driver_.Count<SendCancel>(), 1u)
      << "the executor drops the result after either response";
}

TEST_F(SchedulerAttach, AKeepAliveIsAcknowledgedOnlyOnAnAttachedStream) {
  driver_.Attach(1, "e", 1);
  driver_.KeepAlive(1, 42);
  EXPECT_EQ(driver_.Only<SendKeepAliveAck>().seq, 42u);
  driver_.KeepAlive(9, 43);
  EXPECT_TRUE(driver_.effects().empty());
}

TEST_F(SchedulerAttach, AnExecutorWithoutKeepAlivesIsDetachedAfterTheTimeToLive) {
  Run1();
  driver_.Pass(seconds(20));
  driver_.KeepAlive(1, 1);
  driver_.Silence(1);
  driver_.Pass(seconds(60) - milliseconds(1));
  driver_.Timer();
  EXPECT_TRUE(driver_.effects().empty());
  driver_.Pass(milliseconds(1));
  EXPECT_EQ(driver_.scheduler().NextDeadline(), driver_.now().mono);
  driver_.Timer();
  const CancelSilent cancel = driver_.Only<CancelSilent>();
  EXPECT_EQ(cancel.stream, 1u);
  EXPECT_EQ(cancel.executor_id, "e");
  EXPECT_EQ(cancel.silence, seconds(60));
  EXPECT_EQ(cancel.leases, 1u);
  EXPECT_FALSE(driver_.scheduler().leases().executors().at("e").attached());
  EXPECT_EQ(State(), IncidentState::kRunning) << "it waits for a Hello, as after a broken stream";
  driver_.PassWithTimers(seconds(60));
  EXPECT_EQ(driver_.Only<IncidentRequeued>().reason, RequeueReason::kLeaseExpired);
  EXPECT_TRUE(driver_.scheduler().leases().executors().empty()) << "no executor is kept";
}

TEST_F(SchedulerAttach, NoOtherMessageCountsAsAKeepAlive) {
  Run1();
  driver_.Silence(1);
  for (int i = 0; i < 6; ++i) {
    driver_.Pass(seconds(10));
    driver_.Credits(1, 1);
    driver_.Accept(1, lease_);
    driver_.Started(1, lease_);
  }
  driver_.Timer();
  EXPECT_EQ(driver_.Count<CancelSilent>(), 1u);
}

TEST_F(SchedulerAttach, LateMessagesOfASilentExecutorAreIgnored) {
  Run1();
  driver_.Silence(1);
  driver_.PassWithTimers(seconds(60));
  ASSERT_EQ(driver_.Count<CancelSilent>(), 1u);
  driver_.Result(1, lease_);
  driver_.Started(1, lease_);
  driver_.Credits(1, 5);
  driver_.KeepAlive(1, 7);
  EXPECT_EQ(driver_.Count<SendKeepAliveAck>(), 0u);
  driver_.StreamClosed(1);
  EXPECT_TRUE(driver_.effects().empty());
  EXPECT_EQ(State(), IncidentState::kRunning);
  driver_.Hello(2, HelloWith(lease_));
  EXPECT_TRUE(driver_.Only<SendWelcome>().decisions.at(0).keep) << "its run continues";
  EXPECT_EQ(driver_.Count<CloseSuperseded>(), 0u);
  driver_.Result(2, lease_);
  EXPECT_EQ(driver_.Record(lease_.incident_id).status, FinalStatus::kSuccess);
}

TEST_F(SchedulerAttach, ADrainingSilentExecutorLosesItsUnacceptedOffers) {
  driver_.Attach(1, "e", 1);
  lease_ = {driver_.Queue(), 1};
  driver_.Accept(1, lease_);
  driver_.Draining(1);
  driver_.Silence(1);
  driver_.PassWithTimers(seconds(60));
  EXPECT_EQ(driver_.Count<CancelSilent>(), 1u);
  EXPECT_EQ(driver_.Count<IncidentRequeued>(), 0u) << "it accepted this one";
}

TEST_F(SchedulerAttach, ASilentExecutorWithoutLeasesIsRemoved) {
  driver_.Attach(1, "e", 1);
  driver_.Attach(2, "f", 1);
  driver_.Silence(1);
  driver_.PassWithTimers(minutes(10));
  EXPECT_EQ(driver_.Only<CancelSilent>().executor_id, "e");
  EXPECT_FALSE(driver_.scheduler().leases().executors().contains("e"));
  EXPECT_TRUE(driver_.scheduler().leases().executors().at("f").attached());
}

TEST_F(SchedulerAttach, NextDeadlineIsTheEarliestDeadline) {
  SchedulerOptions options = OptionsFor(3);
  options.queue_sweep_interval = seconds(30);
  SchedulerDriver driver(options);
  driver.Attach(1, "e", 1);
  driver.Attach(2, "f", 1);
  const MonoTime start = driver.now().mono;
  driver.Queue(0);
  driver.Queue(1);
  driver.Queue(2);
  EXPECT_EQ(driver.scheduler().NextDeadline(), start + seconds(10)) << "an accept timeout";
  for (const StreamId stream : {1u, 2u}) {  // one is attached, the other is stale
    driver.Accept(stream, {"incident-1", 1});
    driver.Accept(stream, {"incident-2", 1});
  }
  EXPECT_EQ(driver.scheduler().NextDeadline(), start + seconds(30)) << "the sweep";
  driver.Pass(seconds(1));
  driver.StreamClosed(1);
  driver.StreamClosed(2);
  EXPECT_EQ(driver.scheduler().NextDeadline(), start + seconds(30));
  driver.PassWithTimers(seconds(30));
  EXPECT_EQ(driver.scheduler().NextDeadline(), start + seconds(60)) << "the next sweep";
  driver.Pass(seconds(29));
  driver.Timer();
  EXPECT_EQ(driver.scheduler().NextDeadline(), start + seconds(61)) << "the leases";
}

// --- drain ----------------------------------------------------------------------------------

TEST(SchedulerDrain, OnlySidecarsReceiveDrainAndLeasingStops) {
  SchedulerDriver driver(OptionsFor(3));
  driver.Attach(1, "side", 5);
  dispatch::Hello apart = driver.HelloOf("apart", 1);
  apart.sidecar = false;
  driver.Hello(2, apart);
  driver.Credits(2, 1);
  const Lease lease{driver.Queue(0), 1};
  driver.BeginDrain();
  EXPECT_EQ(driver.Only<SendDrain>().stream, 1u);
  EXPECT_TRUE(driver.scheduler().draining());
  EXPECT_EQ(driver.Event(1).disposition, Scheduler::Disposition::kQueued);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.Credits(1, 50);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  driver.Result(1, lease);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
  EXPECT_EQ(driver.Count<SendResultAck>(), 1u);
}

TEST(SchedulerDrain, AnUnacceptedOfferOfADrainingExecutorIsRequeuedWhenItDetaches) {
  SchedulerOptions options = OptionsFor(1);
  options.max_agents_per_cluster = 3;
  SchedulerDriver driver(options);
  driver.Attach(1, "side", 3);
  const std::string taken = driver.Queue();
  driver.Accept(1, driver.LeaseOf(taken));
  driver.Queue();
  driver.Queue();
  driver.BeginDrain();
  driver.Draining(1);
  EXPECT_EQ(driver.scheduler().SidecarLeases(), 3u);
  driver.StreamClosed(1);
  ASSERT_EQ(driver.Count<IncidentRequeued>(), 2u);
  EXPECT_EQ(driver.scheduler().SidecarLeases(), 1u) << "it may return with the accepted lease";
  EXPECT_EQ(driver.Depth(), 2u);
}

TEST(SchedulerDrain, AnOfferToAnExecutorThatDoesNotDrainWaitsForItsHello) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(1, "side", 1);
  driver.Queue();
  driver.StreamClosed(1);
  EXPECT_EQ(driver.Count<IncidentRequeued>(), 0u) << "it may have accepted it";
  EXPECT_EQ(driver.Leased(), 1u);
}

TEST(SchedulerDrain, ASidecarThatAttachesLaterReceivesDrain) {
  SchedulerDriver driver(OptionsFor(1));
  driver.BeginDrain();
  driver.Hello(1, driver.HelloOf("side", 1));
  EXPECT_EQ(driver.Only<SendDrain>().stream, 1u);
  dispatch::Hello apart = driver.HelloOf("apart", 1);
  apart.sidecar = false;
  driver.Hello(2, apart);
  EXPECT_EQ(driver.Count<SendDrain>(), 0u);
}

TEST(SchedulerDrain, CancelAndWaitConcernSidecarsOnly) {
  SchedulerDriver driver(OptionsFor(2));
  dispatch::Hello side = driver.HelloOf("side", 1);
  side.stop_budget = seconds(12);
  dispatch::Hello apart = driver.HelloOf("apart", 1);
  apart.sidecar = false;
  apart.stop_budget = std::chrono::hours(1);
  driver.Hello(1, side);
  driver.Credits(1, 1);
  const std::string on_side = driver.Queue(0);
  driver.Hello(2, apart);
  driver.Credits(2, 1);
  driver.Queue(1);
  EXPECT_EQ(driver.scheduler().SidecarLeases(), 1u);
  EXPECT_EQ(driver.scheduler().LargestStopBudget(), seconds(12));
  driver.BeginDrain();
  driver.CancelRunning();
  EXPECT_EQ(driver.Only<SendCancel>().lease.incident_id, on_side);
  EXPECT_EQ(driver.Only<SendCancel>().reason, dispatch::CancelReason::kShutdown);
  driver.Result(1, {on_side, 1}, RunStatus::kInterrupted);
  EXPECT_EQ(driver.scheduler().SidecarLeases(), 0u);
}

TEST(SchedulerDrain, ASidecarThatReattachesAfterTheCancelReceivesCancel) {
  SchedulerDriver driver(OptionsFor(1));
  driver.Attach(1, "side", 1);
  const std::string incident = driver.Queue(0);
  driver.Started(1, {incident, 1});
  driver.BeginDrain();
  driver.StreamClosed(1);
  driver.CancelRunning();
  EXPECT_EQ(driver.Count<SendCancel>(), 0u);
  dispatch::Hello back = driver.HelloOf("side", 1);
  back.running = {{incident, 1}};
  driver.Hello(2, back);
  EXPECT_EQ(driver.Only<SendCancel>().lease.incident_id, incident);
  EXPECT_EQ(driver.Only<SendCancel>().stream, 2u);
}

}  // namespace
}  // namespace runner::ingest
