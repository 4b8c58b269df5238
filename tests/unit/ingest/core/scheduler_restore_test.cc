// Incidents restored after a restart.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using Disposition = Scheduler::Disposition;

SchedulerOptions Options() {
  SchedulerOptions options = OptionsFor(2);
  options.dedup.window = minutes(5);
  return options;
}

// An incident of cluster c0 that has been in `state` for `ago`.
RestoredIncident Earlier(const SchedulerDriver& driver, const std::string& id, IncidentState state,
                         Duration ago = seconds(10)) {
  RestoredIncident restored;
  restored.incident.id = id;
  restored.incident.event = SchedulerDriver::Fault(Severity::kError, "fault-" + id);
  restored.incident.event.cluster = "c0";
  restored.incident.event.resource.name = id;
  restored.progress.state = state;
  restored.progress.since = driver.now().wall - std::chrono::duration_cast<WallTime::duration>(ago);
  restored.incident.event.received_at = restored.progress.since;
  if (state == IncidentState::kOffered || state == IncidentState::kRunning) {
    restored.progress.executor_id = "e";
    restored.progress.attempt = 1;
    restored.progress.leased_at = restored.progress.since;
  }
  if (state == IncidentState::kFinished) restored.progress.status = FinalStatus::kSuccess;
  return restored;
}

TEST(SchedulerRestore, AQueuedIncidentKeepsItsAge) {
  SchedulerDriver driver(Options());
  driver.Restore({Earlier(driver, "a", IncidentState::kQueued, minutes(9))});
  EXPECT_EQ(driver.Depth(), 1u);
  EXPECT_EQ(driver.Counters().restored, 1u);
  driver.PassWithTimers(minutes(2));
  EXPECT_EQ(driver.Finished(FinalStatus::kExpired), 1u) << "the age includes the restart";
}

TEST(SchedulerRestore, AnOverAgeIncidentExpiresAtOnce) {
  SchedulerDriver driver(Options());
  driver.Restore({Earlier(driver, "a", IncidentState::kQueued, hours(9))});
  driver.PassWithTimers(seconds(0));
  EXPECT_EQ(driver.Finished(FinalStatus::kExpired), 1u);
}

TEST(SchedulerRestore, AWallClockSetBackDoesNotReduceAges) {
  SchedulerDriver driver(Options());
  driver.Restore({Earlier(driver, "a", IncidentState::kQueued, -hours(24))});
  EXPECT_EQ(driver.Depth(), 1u);
  driver.PassWithTimers(minutes(11));
  EXPECT_EQ(driver.Finished(FinalStatus::kExpired), 1u);
}

TEST(SchedulerRestore, TheOldestIsLeasedFirst) {
  SchedulerDriver driver(Options());
  driver.Restore({Earlier(driver, "b", IncidentState::kQueued, seconds(10)),
                  Earlier(driver, "a", IncidentState::kQueued, seconds(20))});
  driver.Attach(kStream, "e", 1);
  EXPECT_EQ(driver.Only<SendOffer>().lease, (Lease{"a", 1}));
}

TEST(SchedulerRestore, ALeaseWaitsForItsExecutorAndItsResultCounts) {
  SchedulerDriver driver(Options());
  driver.Restore({Earlier(driver, "a", IncidentState::kRunning)});
  EXPECT_EQ(driver.Counters().leases_restored, 1u);
  EXPECT_EQ(driver.Leased(), 1u);
  dispatch::Hello hello = driver.HelloOf("e", 1);
  hello.results_waiting = {{"a", 1}};
  driver.Hello(kStream, hello);
  EXPECT_TRUE(driver.Only<SendWelcome>().decisions.at(0).keep);
  driver.Result(kStream, {"a", 1});
  EXPECT_EQ(driver.Finished(FinalStatus::kSuccess), 1u);
}

TEST(SchedulerRestore, ALeaseThatNoHelloListsIsRequeued) {
  SchedulerOptions options = Options();
  options.max_agents_per_cluster = 2;
  SchedulerDriver driver(options);
  driver.Restore({Earlier(driver, "a", IncidentState::kOffered),
                  Earlier(driver, "b", IncidentState::kRunning)});
  driver.PassWithTimers(driver.options().leases.lease_ttl);
  EXPECT_EQ(driver.Depth(), 2u);
  EXPECT_EQ(driver.Leased(), 0u);
  driver.Attach(kStream, "other", 1);
  EXPECT_EQ(driver.Only<SendOffer>().lease.attempt, 2u) << "an attempt is never offered twice";
}

TEST(SchedulerRestore, AFinishedIncidentStillTakesItsKey) {
  SchedulerDriver driver(Options());
  const RestoredIncident ended = Earlier(driver, "a", IncidentState::kFinished, minutes(4));
  driver.Restore({ended});
  const auto again = driver.Event(0, ended.incident.event);
  EXPECT_EQ(again.Reason(), "duplicate");
  EXPECT_EQ(again.incident_id, "a");
  driver.Pass(minutes(2));
  EXPECT_EQ(driver.Event(0, ended.incident.event).disposition, Disposition::kQueued);
}

TEST(SchedulerRestore, TheLevelOfAKeyIsRestored) {
  SchedulerDriver driver(Options());
  RestoredIncident milder = Earlier(driver, "a", IncidentState::kFinished, minutes(4));
  milder.incident.event.severity = Severity::kWarning;
  RestoredIncident escalated = Earlier(driver, "b", IncidentState::kFinished, minutes(1));
  escalated.incident.event.resource = milder.incident.event.resource;
  driver.Restore({escalated, milder});
  FaultEvent event = escalated.incident.event;
  EXPECT_EQ(driver.Event(0, event).incident_id, "b") << "error was investigated";
  event.severity = Severity::kCritical;
  EXPECT_EQ(driver.Event(0, event).disposition, Disposition::kQueued);
}

TEST(SchedulerRestore, ALevelOfAnEarlierWindowIsIgnored) {
  SchedulerDriver driver(Options());
  RestoredIncident critical = Earlier(driver, "a", IncidentState::kFinished, minutes(30));
  critical.incident.event.severity = Severity::kCritical;
  RestoredIncident milder = Earlier(driver, "b", IncidentState::kFinished, minutes(1));
  milder.incident.event.resource = critical.incident.event.resource;
  driver.Restore({critical, milder});
  FaultEvent event = critical.incident.event;
  EXPECT_EQ(driver.Event(0, event).disposition, Disposition::kQueued)
      << "above error, investigated lately";
}

TEST(SchedulerRestore, ALongRunBelongsToTheWindowOfItsEvent) {
  SchedulerDriver driver(Options());
  RestoredIncident critical = Earlier(driver, "a", IncidentState::kFinished, minutes(30));
  critical.incident.event.severity = Severity::kCritical;
  RestoredIncident rerun = Earlier(driver, "b", IncidentState::kFinished, minutes(1));
  rerun.incident.event.resource = critical.incident.event.resource;
  rerun.incident.rerun_of = "milder";
  rerun.incident.event.received_at -= minutes(26);  // within the five minutes after a
  driver.Restore({critical, rerun});
  EXPECT_EQ(driver.Event(0, critical.incident.event).Reason(), "duplicate");
}

TEST(SchedulerRestore, ARerunKeepsItsReference) {
  SchedulerDriver driver(Options());
  RestoredIncident rerun = Earlier(driver, "b", IncidentState::kQueued);
  rerun.incident.rerun_of = "a";
  driver.Restore({rerun});
  EXPECT_EQ(driver.Record("b").incident.rerun_of, "a");
}

TEST(SchedulerRestore, AnOpenIncidentKeepsItsKeyAfterAWallClockSetBack) {
  SchedulerDriver driver(Options());
  RestoredIncident ended = Earlier(driver, "a", IncidentState::kFinished, minutes(1));
  RestoredIncident open = Earlier(driver, "b", IncidentState::kQueued, minutes(3));
  open.incident.event.resource = ended.incident.event.resource;
  driver.Restore({ended, open});
  EXPECT_EQ(driver.Event(0, open.incident.event).incident_id, "b");
}

TEST(SchedulerRestore, AQuietDayBetweenTwoRunsResetsTheWindow) {
  SchedulerDriver driver(Options());
  const RestoredIncident weekly[] = {Earlier(driver, "a", IncidentState::kFinished, hours(24 * 15)),
                                     Earlier(driver, "b", IncidentState::kFinished, hours(24 * 8)),
                                     Earlier(driver, "c", IncidentState::kFinished, minutes(6))};
  std::vector<RestoredIncident> earlier(std::begin(weekly), std::end(weekly));
  for (RestoredIncident& one : earlier) {
    one.incident.event.resource = weekly[0].incident.event.resource;
  }
  driver.Restore(earlier);
  EXPECT_EQ(driver.Event(0, earlier[2].incident.event).disposition, Disposition::kQueued)
      << "the window is the first one: five minutes";
}

TEST(SchedulerRestore, RunsOfTheLastHourStillCount) {
  SchedulerOptions options = Options();
  options.max_runs_per_hour = 1;
  SchedulerDriver driver(options);
  RestoredIncident ended = Earlier(driver, "a", IncidentState::kFinished, minutes(30));
  ended.progress.started = true;
  ended.progress.leased_at = ended.progress.since;
  driver.Restore({ended});
  driver.Attach(kStream, "e", 1);
  driver.Queue(1);
  EXPECT_EQ(driver.Count<SendOffer>(), 0u);
}

TEST(SchedulerRestore, IncidentsOfAnUnconfiguredClusterAreNotRestored) {
  SchedulerDriver driver(Options());
  RestoredIncident strange = Earlier(driver, "a", IncidentState::kQueued);
  strange.incident.event.cluster = "gone";
  EXPECT_THAT(driver.Restore({strange}), ElementsAre("a"));
  EXPECT_EQ(driver.Depth(0) + driver.Depth(1), 0u);
}

}  // namespace
}  // namespace runner::ingest
