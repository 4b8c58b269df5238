#include <thread>

#include <signal.h>
#include <sys/wait.h>

#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

using Stopping = RunFixture;

TEST_F(Stopping, TimeoutTerminatesTheAgent) {
  options_.timeout = 300ms;
  const Outcome outcome = RunAgent({"sleep"});
  EXPECT_EQ(outcome.status, RunStatus::kTimeout);
  EXPECT_EQ(outcome.signal, SIGTERM);
  EXPECT_GE(outcome.duration, 300ms);
  EXPECT_LT(outcome.duration, 5s);
  EXPECT_EQ(ResultJson()["timedOut"], true);
  EXPECT_EQ(supervisor_->counters().clusters().at("prod").timeouts, 1u);
}

TEST_F(Stopping, AgentThatExitsWithZeroAtItsTimeoutHasTimedOut) {
  options_.timeout = 1s;
  const Outcome outcome = RunAgent({"obey-term"});
  EXPECT_EQ(outcome.status, RunStatus::kTimeout);
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_F(Stopping, AgentThatIgnoresSigtermIsKilledAfterTheGrace) {
  options_.timeout = 500ms;
  options_.kill_grace = 300ms;
  const Outcome outcome = RunAgent({"ignore-term"});
  EXPECT_EQ(outcome.status, RunStatus::kTimeout);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_GE(outcome.duration, 800ms);
  // Normally 100 ms after the grace; the bound allows for a busy machine or a sanitizer.
  EXPECT_LT(outcome.duration, 1800ms);
  EXPECT_TRUE(outcome.contained);
}

TEST_F(Stopping, StoppedAgentIsTerminatedAllTheSame) {
  options_.timeout = 300ms;
  const Outcome outcome = RunAgent({"stop-itself"});
  EXPECT_EQ(outcome.status, RunStatus::kTimeout);
  EXPECT_EQ(outcome.signal, SIGTERM);
}

TEST_F(Stopping, InterruptedAgentIsInterruptedWhateverItExitsWith) {
  StartAgent({"obey-term"});
  AwaitOutput("ready");
  supervisor_->StopAll(StopReason::kInterrupted);
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.status, RunStatus::kInterrupted);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(outcome.report_partial);
}

TEST_F(Stopping, CancelledAgentIsCancelled) {
  StartAgent({"sleep"});
  supervisor_->Stop(LeaseOf(), StopReason::kCancelled);
  EXPECT_EQ(AwaitOutcome().status, RunStatus::kCancelled);
  EXPECT_EQ(ResultJson()["cancelled"], true);
}

TEST_F(Stopping, KillAllDoesNotWaitForTheGrace) {
  options_.kill_grace = 60s;
  StartAgent({"ignore-term"});
  AwaitOutput("ready");
  supervisor_->StopAll(StopReason::kInterrupted);
  supervisor_->KillAll();
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.status, RunStatus::kInterrupted);
  EXPECT_EQ(outcome.signal, SIGKILL);
}

TEST_F(Stopping, RunThatSignalsTheExecutorIsKilledWithoutAGrace) {
  options_.kill_grace = 60s;
  StartAgent({"ignore-term"});
  AwaitOutput("ready");
  RunUntil([&] { return started_.contains(LeaseOf()); });
  EXPECT_FALSE(supervisor_->StopSender(::getppid()));
  EXPECT_FALSE(supervisor_->StopSender(::getpid()));
  EXPECT_TRUE(supervisor_->StopSender(started_[LeaseOf()]));
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "signalled_executor");
  EXPECT_EQ(outcome.signal, SIGKILL);
}

TEST_F(Stopping, StopOfAnUnknownLeaseDoesNothing) {
  supervisor_->Stop(LeaseOf(7), StopReason::kCancelled);
  EXPECT_EQ(RunAgent({"exit", "0"}).status, RunStatus::kSuccess);
}

TEST_F(Stopping, LostExecutorEndsTheAgentAndLeavesTheRecord) {
  StartAgent({"obey-term"});
  AwaitOutput("ready");
  RunUntil([&] { return started_.contains(LeaseOf()); });
  Abandon();
  pid_t reaped = 0;
  RunUntil([&] { return (reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0; });
  EXPECT_NE(reaped, started_[LeaseOf()]) << "the agent outlived its shim";
  const auto record = ParseShimRecord(Read(SpoolFile()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->stopped, ShimStop::kExecutorLost);
  EXPECT_EQ(record->exit_code, 0);
  EXPECT_TRUE(record->contained);
}

TEST_F(Stopping, RunIsInterruptedAtTheLeaseDeadlineEvenIfItStartsLater) {
  StartAgent({"obey-term"});
  supervisor_->ExtendLeases(event_loop_->Now().mono + 60s);
  AwaitOutput("ready");
  supervisor_->ExtendLeases(event_loop_->Now().mono + 300ms);
  Lease later{"018f2d3c-7a10-7c4e-9b1e-aaaaaaaaaaaa", 1};
  supervisor_->Start(later, SomeIncident());
  for (const Lease& lease : {LeaseOf(), later}) {
    const Outcome outcome = AwaitOutcome(lease);
    EXPECT_EQ(outcome.status, RunStatus::kInterrupted);
    EXPECT_EQ(outcome.reason, "lease_deadline");
    EXPECT_TRUE(outcome.contained);
  }
}

TEST_F(Stopping, StoppedShimIsKilledByTheWatchdogAndItsAgentWithIt) {
  options_.timeout = 100ms;
  options_.kill_grace = 100ms;
  StartAgent({"ignore-term"});
  RunUntil([&] { return started_.contains(LeaseOf()); });
  const std::string status = Read("/proc/" + std::to_string(started_[LeaseOf()]) + "/status");
  ::kill(std::stoi(status.substr(status.find("PPid:") + 5)), SIGSTOP);
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.reason, "shim_lost");
  EXPECT_TRUE(outcome.contained);
}

TEST_F(Stopping, ShimThatWasFrozenWithTheExecutorDoesNotCountAsLost) {
  options_.kill_grace = 100ms;
  StartAgent({"ignore-term"});
  AwaitOutput("ready");
  RunUntil([&] { return started_.contains(LeaseOf()); });
  const std::string status = Read("/proc/" + std::to_string(started_[LeaseOf()]) + "/status");
  const pid_t shim = std::stoi(status.substr(status.find("PPid:") + 5));
  supervisor_->Stop(LeaseOf(), StopReason::kCancelled);
  ::kill(shim, SIGSTOP);
  std::this_thread::sleep_for(4s);
  ::kill(shim, SIGCONT);
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.reason, "cancelled");
  EXPECT_EQ(outcome.signal, SIGKILL);
}

TEST_F(Stopping, ShimThatIgnoresAStopIsKilledWithinTheStopBudget) {
  options_.kill_grace = 100ms;
  StartAgent({"ignore-term"});
  AwaitOutput("ready");
  RunUntil([&] { return started_.contains(LeaseOf()); });
  const std::string status = Read("/proc/" + std::to_string(started_[LeaseOf()]) + "/status");
  ::kill(std::stoi(status.substr(status.find("PPid:") + 5)), SIGSTOP);
  const MonoTime stopped_at = event_loop_->Now().mono;
  supervisor_->Stop(LeaseOf(), StopReason::kInterrupted);
  EXPECT_EQ(AwaitOutcome().reason, "shim_lost");
  EXPECT_LT(event_loop_->Now().mono - stopped_at, options_.kill_grace + 7s);
}

}  // namespace
}  // namespace runner::executor
