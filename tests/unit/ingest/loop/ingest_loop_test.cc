// The sweep and the check of the invariants.

#include "ingest/loop/ingest_loop.h"

#include <chrono>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/core/invariants.h"
#include "tests/unit/ingest/loop/loop_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

std::size_t CountOf(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class SweepTest : public ::testing::Test {
 protected:
  static SchedulerOptions Options() {
    SchedulerOptions options;
    options.max_queue_age = 10min;
    options.queue_sweep_interval = 1min;
    return options;
  }
  // The journal fails to append this many expired incidents.
  void FailToExpire(int times) {
    fixture_.journal.on_change = [left = times](const IncidentChange& change) mutable {
      if (change.progress.status == FinalStatus::kExpired && left > 0) {
        --left;
        throw std::runtime_error("the journal is torn");
      }
    };
  }
  std::uint64_t Expired() {
    const auto& finished = fixture_.loop.scheduler().View(0).counters.finished;
    const auto found = finished.find(FinalStatus::kExpired);
    return found == finished.end() ? 0 : found->second;
  }

  LoopFixture fixture_{{"prod"}, Options()};
};

TEST_F(SweepTest, AFailureIsLoggedAndCountedAndDoesNotBlockOthers) {
  FailToExpire(1);
  ::testing::internal::CaptureStderr();
  fixture_.RunTurns({
      [&] {
        for (const char* pod : {"a", "b", "c"}) fixture_.Queue(pod);
        fixture_.clock.Advance(11min);
      },
      [] {},
  });
  const std::string log = fixture_.CapturedLog();
  EXPECT_EQ(fixture_.loop.sweeper_errors(), 1u);
  EXPECT_THAT(log, AllOf(HasSubstr(R"("level":"error","msg":"Queue sweep failed")"),
                         HasSubstr(R"("error":"the journal is torn")")));
  EXPECT_EQ(CountOf(log, "Expired queued event"), 2u);
  EXPECT_EQ(Expired(), 3u) << "the incident that failed is not retried";
  EXPECT_EQ(fixture_.loop.scheduler().waiting().size(), 0u);
  EXPECT_THAT(BrokenInvariants(fixture_.loop.scheduler()), IsEmpty());
}

TEST_F(SweepTest, TheNextSweepRunsAtItsIntervalAfterAFailure) {
  FailToExpire(1'000);
  ::testing::internal::CaptureStderr();
  fixture_.RunTurns({
      [&] {
        fixture_.Queue("old");
        fixture_.clock.Advance(9min + 30s);
      },
      [&] {
        fixture_.Queue("young");
        fixture_.clock.Advance(1min);
      },
      [&] {
        EXPECT_EQ(fixture_.loop.sweeper_errors(), 1u);
        EXPECT_EQ(fixture_.loop.scheduler().NextDeadline(), fixture_.event_loop.Now().mono + 1min);
        fixture_.clock.Advance(9min + 30s);
      },
      [&] {
        EXPECT_EQ(fixture_.loop.sweeper_errors(), 2u) << "the second incident is over age now";
      },
  });
  EXPECT_EQ(CountOf(fixture_.CapturedLog(), "Queue sweep failed"), 2u);
  EXPECT_EQ(Expired(), 2u);
}

TEST_F(SweepTest, EndlessFailuresFloodNeitherTheLogNorTheLoop) {
  FailToExpire(1'000);
  ::testing::internal::CaptureStderr();
  fixture_.RunTurns({
      [&] {
        for (int i = 0; i < 25; ++i) fixture_.Queue("pod-" + std::to_string(i));
        fixture_.clock.Advance(11min);
      },
      [&] {
        EXPECT_EQ(fixture_.loop.sweeper_errors(), 10u) << "the next sweep retries the rest";
        fixture_.clock.Advance(1min);
      },
      [&] { fixture_.clock.Advance(1min); },
      [] {},
  });
  EXPECT_EQ(CountOf(fixture_.CapturedLog(), "Queue sweep failed"), 25u);
  EXPECT_EQ(Expired(), 25u);
}

// --- invariants -----------------------------------------------------------------------------

TEST(LoopEventsTest, BackfilledEventsReachTheSchedulerAsSuch) {
  SchedulerOptions options;
  options.dedup.window = 5min;
  LoopFixture fixture({"prod"}, options);
  const auto counters = [&] { return fixture.loop.scheduler().View(0).counters; };
  const auto tell = [&](Severity severity, bool backfilled) {
    fixture.loop.OnEvent("prod", LoopFixture::Fault("a", severity), backfilled);
  };
  ::testing::internal::CaptureStderr();
  fixture.RunTurns({
      [&] {
        fixture.loop.Step([](Scheduler& s, const Instant& now, Effects& effects) {
          dispatch::Hello hello;
          hello.executor_id = "e";
          hello.slots = 1;
          s.OnHello(1, hello, now, effects);
          s.OnCredits(1, 1, now, effects);
        });
        tell(Severity::kWarning, false);
      },
      [&] {
        fixture.loop.Step([&](Scheduler& s, const Instant& now, Effects& effects) {
          Outcome outcome;
          outcome.status = RunStatus::kSuccess;
          s.OnResult(1, fixture.streams.offer, outcome, now, effects);
        });
        tell(Severity::kCritical, true);
      },
      [&] {
        EXPECT_EQ(counters().queued, 1u) << "a backfilled event does not escalate";
        tell(Severity::kCritical, false);
      },
      [&] { EXPECT_EQ(counters().queued, 2u); },
  });
  fixture.CapturedLog();
}

TEST(BrokenEquationsTest, EachNumberIsPartOfAnEquation) {
  const std::string name = "prod";
  const auto broken = [&](auto miscount) {
    ClusterCounters counters;
    Scheduler::ClusterView view{name, counters, 0, 0, {}};
    EXPECT_THAT(BrokenEquations(view), IsEmpty());
    miscount(counters, view);
    std::vector<std::string> names;
    for (const BrokenInvariant& one : BrokenEquations(view)) names.push_back(one.name);
    return names;
  };
  using View = Scheduler::ClusterView;
  using ::testing::ElementsAre;
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.received[kUnknownSeverity]; }),
              ElementsAre("received"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.invalid["json"]; }),
              ElementsAre("received"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.filtered[FilterReason::kSeverity]; }),
              ElementsAre("received"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.breaker_dropped; }),
              ElementsAre("received"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.rejected; }), ElementsAre("received"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.queued; }),
              ElementsAre("received", "queue", "incidents"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.restored; }),
              ElementsAre("queue", "incidents"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.requeued; }), ElementsAre("queue"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.dequeued; }), ElementsAre("queue"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.expired; }), ElementsAre("queue"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.evicted[EvictReason::kOverflow]; }),
              ElementsAre("queue"));
  EXPECT_THAT(broken([](ClusterCounters&, View& v) { ++v.depth; }),
              ElementsAre("queue", "incidents"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.leases_restored; }),
              ElementsAre("incidents"));
  EXPECT_THAT(broken([](ClusterCounters& c, View&) { ++c.finished[FinalStatus::kSuccess]; }),
              ElementsAre("incidents"));
  EXPECT_THAT(broken([](ClusterCounters&, View& v) { ++v.leased; }), ElementsAre("incidents"));
}

TEST(InvariantsTest, AViolationIsCountedEachTimeAndLoggedOnceAMinute) {
  LoopFixture fixture({"prod", "staging"});
  fixture.loop.CheckInvariants();
  EXPECT_EQ(fixture.loop.invariant_violations(), 0u);

  // No input is known to break an equation, so the test changes a counter.
  ++const_cast<ClusterCounters&>(fixture.loop.scheduler().View(1).counters).requeued;
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) fixture.loop.CheckInvariants();
  fixture.clock.Advance(1min);
  fixture.loop.CheckInvariants();
  const std::string log = fixture.CapturedLog();
  EXPECT_EQ(fixture.loop.invariant_violations(), 4u);
  EXPECT_EQ(CountOf(log, R"("level":"error","msg":"Invariant violated")"), 2u) << log;
  EXPECT_THAT(log, AllOf(HasSubstr(R"("cluster":"staging","invariant":"queue")"),
                         HasSubstr("restored 0 + queued 0 + requeued 1 is not")));
}

}  // namespace
}  // namespace runner::ingest
