#include "executor/core/run_state.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace runner::executor {
namespace {

using std::chrono::seconds;
using Phase = RunState::Phase;

const Instant kStart{MonoTime(seconds(100)), WallTime(seconds(1'000'000))};

Instant After(Duration time) {
  return {kStart.mono + time, kStart.wall + std::chrono::duration_cast<WallTime::duration>(time)};
}

ShimRecord Contained(bool contained = true) {
  ShimRecord record;
  record.exit_code = 0;
  record.contained = contained;
  return record;
}

TEST(RunState, GoesFromStartToEnd) {
  RunState run(kStart);
  EXPECT_EQ(run.phase(), Phase::kStarting);
  run.OnStarted();
  EXPECT_EQ(run.phase(), Phase::kRunning);
  EXPECT_TRUE(run.OnShimEnded(true, Contained(), After(seconds(2)).mono));
  const RunEnd end = run.OnFinished(true, After(seconds(2)));
  EXPECT_EQ(run.phase(), Phase::kFinished);
  EXPECT_TRUE(end.started);
  EXPECT_TRUE(end.contained);
  EXPECT_EQ(end.duration, seconds(2));
  EXPECT_EQ(end.started_at, kStart.wall);
  EXPECT_FALSE(end.stop_requested);
}

TEST(RunState, OnlyTheFirstStopCounts) {
  RunState run(kStart);
  EXPECT_TRUE(run.OnStop(StopReason::kCancelled));
  EXPECT_FALSE(run.OnStop(StopReason::kInterrupted));
  EXPECT_EQ(run.phase(), Phase::kStopping);
  run.OnStarted();
  EXPECT_EQ(run.phase(), Phase::kStopping) << "a late notice of the start changes nothing";
  run.OnShimEnded(true, Contained(), kStart.mono);
  EXPECT_EQ(run.OnFinished(true, kStart).stop_requested, StopReason::kCancelled);
}

TEST(RunState, IsKilledOnce) {
  RunState run(kStart);
  EXPECT_TRUE(run.OnKill());
  EXPECT_FALSE(run.OnKill());
}

TEST(RunState, ShimWithoutProofCausesASweep) {
  const struct {
    const char* what = "";
    bool clean = false;
    std::optional<ShimRecord> record;
  } cases[] = {{"killed", false, std::nullopt},
               {"killed, with a record that the agent may have written", false, Contained()},
               {"clean without a record", true, std::nullopt},
               {"not contained", true, Contained(false)}};
  for (const auto& [what, clean, record] : cases) {
    RunState run(kStart);
    run.OnStarted();
    EXPECT_FALSE(run.OnShimEnded(clean, record, After(seconds(1)).mono)) << what;
    EXPECT_EQ(run.phase(), Phase::kSweeping) << what;
    EXPECT_EQ(run.SweepUntil(), After(seconds(6)).mono) << what;
    EXPECT_FALSE(run.OnStop(StopReason::kCancelled)) << what;
    EXPECT_FALSE(run.OnKill()) << what;
    run.OnSwept(2);
    run.OnSwept(1);
    EXPECT_EQ(run.OnFinished(true, kStart).orphans_killed, 3u) << what;
    EXPECT_FALSE(run.SweepUntil()) << what;
  }
}

TEST(RunState, FailedStartIsSweptAndReported) {
  RunState run(kStart);
  run.OnStartFailed(StartFailure::kSpawn, ENOENT, kStart.mono);
  EXPECT_EQ(run.phase(), Phase::kSweeping);
  const RunEnd end = run.OnFinished(true, kStart);
  EXPECT_FALSE(end.started);
  EXPECT_EQ(end.start_errno, ENOENT);
}

TEST(RunState, EachPhaseHasAWordForOperators) {
  EXPECT_EQ(ToString(Phase::kStarting), "starting");
  EXPECT_EQ(ToString(Phase::kSweeping), "stopping");
  EXPECT_EQ(ToString(Phase::kFinished), "finished");
}

}  // namespace
}  // namespace runner::executor
