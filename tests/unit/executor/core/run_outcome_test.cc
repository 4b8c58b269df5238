#include "executor/core/run_outcome.h"

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace runner::executor {
namespace {

RunEnd EndedWith(const ShimRecord& record) {
  RunEnd end;
  end.record = record;
  end.contained = true;
  return end;
}

ShimRecord Exited(int code) {
  ShimRecord record;
  record.exit_code = code;
  return record;
}

TEST(Judge, EachKindOfEndHasItsOutcome) {
  struct Case {
    std::string name;
    ShimRecord record;
    ReportVerdict report;
    RunStatus status;
    std::string reason;
  };
  const auto with = [](ShimRecord record, auto member, auto value) {
    record.*member = value;
    return record;
  };
  const ShimRecord signalled = with(ShimRecord{}, &ShimRecord::signal, 9);
  const ReportVerdict none = ReportVerdict::kNotRequired;
  const std::vector<Case> cases = {
      {"exit 0", Exited(0), none, RunStatus::kSuccess, ""},
      {"exit 1", Exited(1), none, RunStatus::kFailure, "exit_code"},
      {"signal", signalled, none, RunStatus::kFailure, "signal"},
      {"good report", Exited(0), ReportVerdict::kGood, RunStatus::kSuccess, ""},
      {"no report", Exited(0), ReportVerdict::kMissing, RunStatus::kFailure, "report_missing"},
      {"small report", Exited(0), ReportVerdict::kTooSmall, RunStatus::kFailure,
       "report_too_small"},
      {"bad report", Exited(0), ReportVerdict::kInvalid, RunStatus::kFailure, "report_invalid"},
      {"exit 1 without report", Exited(1), ReportVerdict::kMissing, RunStatus::kFailure,
       "exit_code"},
      {"not started", with(Exited(127), &ShimRecord::spawn_errno, ENOENT), none,
       RunStatus::kFailure, "spawn_error"},
      {"timeout, exit 0", with(Exited(0), &ShimRecord::timed_out, true), none, RunStatus::kTimeout,
       "timeout"},
      {"timeout, killed", with(signalled, &ShimRecord::timed_out, true), none, RunStatus::kTimeout,
       "timeout"},
      {"interrupted, exit 0", with(Exited(0), &ShimRecord::stopped, ShimStop::kInterrupted), none,
       RunStatus::kInterrupted, "shutdown"},
      {"cancelled", with(signalled, &ShimRecord::stopped, ShimStop::kCancelled), none,
       RunStatus::kCancelled, "cancelled"},
      {"signalled the executor",
       with(signalled, &ShimRecord::stopped, ShimStop::kSignalledExecutor), none,
       RunStatus::kFailure, "signalled_executor"},
      {"lease_deadline", with(signalled, &ShimRecord::stopped, ShimStop::kLeaseDeadline), none,
       RunStatus::kInterrupted, "lease_deadline"},
      {"executor lost", with(signalled, &ShimRecord::stopped, ShimStop::kExecutorLost), none,
       RunStatus::kInterrupted, "executor_lost"},
      {"disk full, exit 0", with(Exited(0), &ShimRecord::log_errno, ENOSPC), none,
       RunStatus::kSuccess, ""},
      {"disk full, exit 1", with(Exited(1), &ShimRecord::log_errno, ENOSPC), none,
       RunStatus::kFailure, "disk_full"},
  };
  for (const Case& c : cases) {
    RunEnd end = EndedWith(c.record);
    end.report = c.report;
    const Outcome outcome = Judge(end);
    EXPECT_EQ(outcome.status, c.status) << c.name;
    EXPECT_EQ(outcome.reason, c.reason) << c.name;
    EXPECT_EQ(outcome.report_partial, c.status != RunStatus::kSuccess) << c.name;
  }
}

TEST(Judge, AgentThatEndedBeforeTheStopKeepsItsOutcome) {
  RunEnd end = EndedWith(Exited(0));
  end.stop_requested = StopReason::kInterrupted;
  EXPECT_EQ(Judge(end).status, RunStatus::kSuccess);
}

TEST(Judge, LostShimIsAFailureUnlessTheRunWasBeingStopped) {
  RunEnd end;
  EXPECT_EQ(Judge(end).status, RunStatus::kFailure);
  EXPECT_EQ(Judge(end).reason, "shim_lost");
  EXPECT_FALSE(Judge(end).contained);
  end.stop_requested = StopReason::kCancelled;
  EXPECT_EQ(Judge(end).status, RunStatus::kCancelled);
  end.stop_requested = StopReason::kInterrupted;
  EXPECT_EQ(Judge(end).status, RunStatus::kInterrupted);
}

TEST(Judge, ShimThatNeverStartedIsASpawnError) {
  RunEnd end;
  end.started = false;
  EXPECT_EQ(Judge(end).reason, "spawn_error");
}

TEST(Judge, MissingKubeconfigHasItsOwnReason) {
  RunEnd end;
  end.started = false;
  end.start_failure = StartFailure::kKubeconfigMissing;
  end.start_errno = ENOENT;
  EXPECT_EQ(Judge(end).status, RunStatus::kFailure);
  EXPECT_EQ(Judge(end).reason, "kubeconfig_missing");
  EXPECT_FALSE(Judge(end).started);
}

TEST(Judge, ShortageAtTheStartIsNotAFailure) {
  for (const int error : {EAGAIN, EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC, EDQUOT}) {
    RunEnd end;
    end.started = false;
    end.start_errno = error;
    ShimRecord record = Exited(126);
    record.spawn_errno = error;
    for (const Outcome& outcome : {Judge(end), Judge(EndedWith(record))}) {
      EXPECT_EQ(outcome.status, RunStatus::kInterrupted) << error;
      EXPECT_EQ(outcome.reason, "shortage") << error;
      EXPECT_FALSE(outcome.started) << error;
    }
  }
  for (const int error : {ENOENT, EACCES, ENOEXEC, E2BIG, EBUSY, EIO, EROFS}) {
    EXPECT_FALSE(IsShortage(error)) << error;
  }
}

TEST(Judge, ExitCodeAndSignalExcludeEachOther) {
  ShimRecord record;
  record.signal = 15;
  const Outcome outcome = Judge(EndedWith(record));
  EXPECT_EQ(outcome.exit_code, std::nullopt);
  EXPECT_EQ(outcome.signal, 15);
}

TEST(Judge, OrphansOfShimAndExecutorAddUp) {
  RunEnd end = EndedWith(Exited(0));
  end.record->orphans_killed = 2;
  end.orphans_killed = 3;
  EXPECT_EQ(Judge(end).orphans_killed, 5u);
}

}  // namespace
}  // namespace runner::executor
