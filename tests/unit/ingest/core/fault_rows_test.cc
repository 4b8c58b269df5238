// Rows of tests/faults.md that concern the scheduler alone, over hours of simulated time.

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/backoff.h"
#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;
using Disposition = Scheduler::Disposition;

// An executor with one slot whose agents take `run` each. Records when each incident starts.
class Agents {
 public:
  Agents(SchedulerDriver& driver, Duration run) : driver_(driver), run_(run) {
    driver_.Attach(kStream, "e", 1);
    Take();
  }

  // Advances time until `end` and runs what is offered.
  void RunUntil(MonoTime end) {
    while (running_ && done_ <= end) {
      driver_.PassWithTimers(done_ - driver_.now().mono);
      const Lease lease = *running_;
      running_.reset();
      driver_.Credits(kStream, ++credits_);
      driver_.Result(kStream, lease);
      Take();
    }
    driver_.PassWithTimers(end - driver_.now().mono);
    Take();
  }
  void Event(ClusterIndex cluster, const FaultEvent& event) {
    driver_.Event(cluster, event);
    Take();
  }
  // Start times in order, by cluster.
  const std::map<std::string, std::vector<MonoTime>>& starts() const { return starts_; }

 private:
  void Take() {
    for (const SendOffer& offer : driver_.All<SendOffer>()) {
      if (!taken_.insert(offer.lease).second) continue;
      running_ = offer.lease;
      done_ = driver_.now().mono + run_;
      starts_[offer.incident.event.cluster].push_back(driver_.now().mono);
      driver_.Started(kStream, offer.lease);
    }
  }

  SchedulerDriver& driver_;
  const Duration run_;
  std::uint64_t credits_ = 1;
  std::optional<Lease> running_;
  MonoTime done_;
  std::set<Lease> taken_;
  std::map<std::string, std::vector<MonoTime>> starts_;
};

TEST(FaultRows, FiftyClustersThatFailTogetherSpreadTheirRetries) {
  constexpr int kClusters = 50;
  const Duration initial = seconds(1);
  const Duration maximum = seconds(60);
  std::mt19937_64 engine(7);
  std::uniform_real_distribution<> random(0, 1);
  std::vector<Backoff> backoffs(kClusters, Backoff(initial, maximum));
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::vector<Duration> delays;
    for (Backoff& backoff : backoffs) delays.push_back(backoff.Next(random(engine)));
    std::sort(delays.begin(), delays.end());
    ASSERT_THAT(delays.back(), Le(maximum));
    // Half of the retries within a twentieth of the whole span would be a spike.
    const Duration spread = delays.back() - delays.front();
    EXPECT_THAT(spread, Gt(delays.back() / 6)) << "attempt " << attempt;
    for (std::size_t i = 0; i + kClusters / 2 < delays.size(); ++i) {
      EXPECT_THAT(delays[i + kClusters / 2] - delays[i], Gt(spread / 20)) << "attempt " << attempt;
    }
  }
}

TEST(FaultRows, AThousandRepeatsOfOneFaultBecomeOneIncidentAndASecondAfterTheWindow) {
  SchedulerDriver driver(WithDuplicates());
  Agents agents(driver, seconds(30));
  for (int i = 0; i < 1'000; ++i) {
    agents.Event(0, Pod("a"));
    agents.RunUntil(driver.now().mono + milliseconds(100));
  }
  EXPECT_EQ(driver.Counters().queued, 1u);
  EXPECT_EQ(driver.Counters().filtered.at(FilterReason::kDuplicate), 999u);
  EXPECT_EQ(driver.Finished(FinalStatus::kSuccess), 1u);
  agents.RunUntil(driver.now().mono + minutes(5));
  agents.Event(0, Pod("a"));
  EXPECT_EQ(driver.Counters().queued, 2u);
}

// Returns when the incidents of the quiet cluster c1 start while c0 sends `flood` faults a second.
std::vector<MonoTime> StartsBesideAFlood(int flood) {
  SchedulerOptions options = WithDuplicates(2);
  options.max_concurrent_agents = 2;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "e", 2);
  std::vector<MonoTime> starts;
  std::map<Lease, MonoTime> running;
  std::uint64_t credits = 2;
  const auto take = [&] {
    for (const SendOffer& offer : driver.All<SendOffer>()) {
      if (!running.emplace(offer.lease, driver.now().mono + seconds(20)).second) continue;
      driver.Started(kStream, offer.lease);
      if (offer.incident.event.cluster == "c1") starts.push_back(driver.now().mono);
    }
  };
  for (int second = 0; second < 600; ++second) {
    for (int i = 0; i < flood; ++i) {
      driver.Event(0, Pod("flood-" + std::to_string(second) + "-" + std::to_string(i)));
      take();
    }
    if (second % 30 == 0) {
      driver.Event(1, Pod("quiet-" + std::to_string(second)));
      take();
    }
    driver.PassWithTimers(seconds(1));
    take();
    for (auto next = running.begin(); next != running.end();) {
      const auto [lease, done] = *next++;
      if (done > driver.now().mono) continue;
      running.erase(lease);
      driver.Credits(kStream, ++credits);
      take();
      driver.Result(kStream, lease);
      take();
      next = running.begin();
    }
  }
  return starts;
}

TEST(FaultRows, AFloodOfOneClusterDoesNotDelayAnother) {
  const std::vector<MonoTime> alone = StartsBesideAFlood(0);
  ASSERT_THAT(alone, SizeIs(20));
  EXPECT_EQ(StartsBesideAFlood(50), alone);
}

TEST(FaultRows, AWallClockJumpExpiresNothing) {
  SchedulerDriver driver(OptionsFor(1));
  for (int i = 0; i < 50; ++i) driver.Queue();
  for (const Duration jump : {Duration(hours(24)), Duration(-hours(48)), Duration(hours(24))}) {
    driver.JumpWallClock(jump);
    driver.PassWithTimers(minutes(2));
    EXPECT_EQ(driver.Depth(), 50u);
  }
  driver.PassWithTimers(minutes(6));
  EXPECT_EQ(driver.Finished(FinalStatus::kExpired), 50u) << "at their age limit";
}

TEST(FaultRows, AFutureTimestampBecomesNow) {
  SchedulerDriver driver(OptionsFor(1));
  FaultEvent event = Pod("a");
  event.timestamp = driver.now().wall + hours(24);
  const std::string id = driver.Event(0, event).incident_id;
  EXPECT_EQ(driver.Record(id).incident.event.timestamp, driver.now().wall);
}

TEST(FaultRows, AnExecutorThatNeverReadsHoldsAtMostItsCreditsUntilTheTimeout) {
  SchedulerOptions options = OptionsFor(1);
  options.max_agents_per_cluster = 10;
  options.max_concurrent_agents = 10;
  SchedulerDriver driver(options);
  driver.Attach(kStream, "deaf", 3);
  for (int i = 0; i < 10; ++i) driver.Queue();
  EXPECT_EQ(driver.Leased(), 3u);
  driver.Attach(2, "good", 10);
  std::set<std::string> run;
  for (const SendOffer& offer : driver.All<SendOffer>()) run.insert(offer.lease.incident_id);
  for (const std::string& id : run) driver.Accept(2, driver.LeaseOf(id));
  driver.PassWithTimers(options.leases.accept_timeout);
  for (const SendOffer& offer : driver.All<SendOffer>()) {
    EXPECT_EQ(offer.stream, 2u) << "the executor that does not read has no credit left";
    run.insert(offer.lease.incident_id);
  }
  EXPECT_THAT(run, SizeIs(10));
}

TEST(FaultRows, AHundredExecutorsThatAttachAtOnceShareTheQueue) {
  SchedulerOptions options = OptionsFor(200);
  options.max_concurrent_agents = 150;
  SchedulerDriver driver(options);
  for (ClusterIndex i = 0; i < 200; ++i) driver.Queue(i);
  for (StreamId stream = 1; stream <= 100; ++stream) {
    driver.Attach(stream, "e" + std::to_string(stream), 2);
  }
  EXPECT_THAT(driver.offered(), SizeIs(150)) << "each lease once, and not beyond the limit";
  // All streams break, and all executors reattach with their accepted leases.
  std::map<StreamId, dispatch::Hello> hellos;
  for (const auto& [id, executor] : driver.scheduler().leases().executors()) {
    dispatch::Hello& hello = hellos[executor.stream + 100] = driver.HelloOf(id, 2);
    for (const auto& [incident, attempt] : executor.leases) {
      hello.running.push_back({incident, attempt});
    }
  }
  for (StreamId stream = 1; stream <= 100; ++stream) driver.StreamClosed(stream);
  for (const auto& [stream, hello] : hellos) driver.Hello(stream, hello);
  EXPECT_THAT(driver.offered(), SizeIs(150)) << "nothing is offered again";
  EXPECT_EQ(driver.scheduler().leases().leases().size(), 150u);
}

TEST(FaultRows, AHundredExecutorsSpreadTheirReconnects) {
  std::mt19937_64 engine(7);
  std::uniform_real_distribution<> random(0, 1);
  std::vector<FullJitterBackoff> backoffs(100);
  std::vector<Duration> times(100, Duration::zero());
  for (int attempt = 0; attempt < 8; ++attempt) {
    for (std::size_t i = 0; i < times.size(); ++i) times[i] += backoffs[i].Next(random(engine));
  }
  std::sort(times.begin(), times.end());
  const Duration spread = times.back() - times.front();
  EXPECT_THAT(spread, Gt(seconds(5)));
  for (std::size_t i = 0; i + 50 < times.size(); ++i) {
    EXPECT_THAT(times[i + 50] - times[i], Gt(spread / 20));
  }
}

TEST(FaultRows, AnIncidentThatKillsItsExecutorsFailsAfterItsAttempts) {
  SchedulerOptions options = OptionsFor(1);
  SchedulerDriver driver(options);
  const std::string id = driver.Queue();
  StreamId stream = 0;
  for (std::uint32_t attempt = 1; attempt <= options.max_attempts; ++attempt) {
    EXPECT_EQ(driver.Depth(), 1u);
    ++stream;
    driver.Attach(stream, "e" + std::to_string(stream), 1);
    driver.Started(stream, driver.LeaseOf(id));
    driver.StreamClosed(stream);
    driver.PassWithTimers(options.leases.lease_ttl);
  }
  EXPECT_EQ(driver.Finished(FinalStatus::kFailure), 1u);
  EXPECT_EQ(driver.Record(id).reason, "attempts_exhausted");
}

TEST(FaultRows, IncidentsExpireAndAreCountedWithoutAnExecutorForAnHour) {
  SchedulerOptions options = WithDuplicates(3);
  options.global_queue_size = 200;
  SchedulerDriver driver(options);
  std::uint64_t sent = 0;
  for (int second = 0; second < 3600; ++second) {
    driver.Event(sent % 3, Pod(std::to_string(sent)));
    ++sent;
    driver.PassWithTimers(seconds(1));
    ASSERT_LE(driver.scheduler().waiting().size(), 200u);
  }
  driver.PassWithTimers(minutes(11));
  std::uint64_t ended = 0;
  for (ClusterIndex i = 0; i < 3; ++i) {
    EXPECT_EQ(driver.Depth(i), 0u);
    ended += driver.Finished(FinalStatus::kExpired, i) + driver.Finished(FinalStatus::kEvicted, i);
  }
  EXPECT_EQ(ended, sent);
  EXPECT_EQ(driver.scheduler().NextDeadline(), std::nullopt) << "nothing wakes an idle system";
}

TEST(FaultRows, ARecurringFaultIsInvestigatedLessAndLessOften) {
  SchedulerDriver driver(WithDuplicates());
  Agents agents(driver, seconds(30));
  const MonoTime evening = driver.now().mono;
  const auto night = [&](Duration length) {
    for (Duration t{}; t < length; t += seconds(20)) {
      agents.Event(0, Pod("a"));
      agents.RunUntil(driver.now().mono + seconds(20));
    }
  };
  night(hours(10));
  std::vector<seconds> pauses;
  std::vector<MonoTime> starts = agents.starts().at("c0");
  EXPECT_EQ(starts.front(), evening) << "at once";
  for (std::size_t i = 1; i < starts.size(); ++i) {
    pauses.push_back(duration_cast<seconds>(starts[i] - starts[i - 1]));
  }
  // A run takes 30 s, then the window applies; the next event comes within 20 s.
  EXPECT_THAT(pauses, ElementsAre(seconds(340), seconds(940), seconds(2740), seconds(8140),
                                  seconds(14'440)));
  // A quiet day resets the window.
  agents.RunUntil(driver.now().mono + hours(25));
  const std::size_t before = starts.size();
  night(minutes(10));
  starts = agents.starts().at("c0");
  ASSERT_THAT(starts, SizeIs(before + 2));
  EXPECT_EQ(duration_cast<seconds>(starts.back() - starts[before]), seconds(340));
}

}  // namespace
}  // namespace runner::ingest
