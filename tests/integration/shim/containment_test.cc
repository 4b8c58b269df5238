#include <signal.h>

#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

using Containment = RunFixture;

TEST_F(Containment, ChildInItsOwnSessionIsKilledWithTheAgent) {
  const Outcome outcome = RunAgent({"setsid-child"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_EQ(outcome.orphans_killed, 1u);
  EXPECT_TRUE(outcome.contained);
}

TEST_F(Containment, DaemonIsKilledWithTheAgent) {
  const Outcome outcome = RunAgent({"daemon"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_EQ(outcome.orphans_killed, 1u);
  EXPECT_TRUE(outcome.contained);
}

TEST_F(Containment, GrandchildThatKeepsStdoutOpenDoesNotDelayTheResult) {
  const Outcome outcome = RunAgent({"stdout-holder"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_EQ(outcome.orphans_killed, 1u);
  EXPECT_LT(outcome.duration, 5s);
}

TEST_F(Containment, ProcessThatForksContinuouslyIsKilled) {
  const Outcome outcome = RunAgent({"hopper"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_TRUE(outcome.contained);
  EXPECT_FALSE(supervisor_->tainted());
}

TEST_F(Containment, ZombiesAreReapedAndNotCountedAsKilled) {
  const Outcome outcome = RunAgent({"zombies"});
  EXPECT_TRUE(outcome.contained);
  EXPECT_EQ(outcome.orphans_killed, 0u);
}

TEST_F(Containment, AgentThatKillsItsShimIsContainedByTheExecutor) {
  const Outcome outcome = RunAgent({"kill-shim"});
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "shim_lost");
  EXPECT_TRUE(outcome.contained);
  EXPECT_GE(outcome.orphans_killed, 1u);
  EXPECT_FALSE(supervisor_->tainted());
}

TEST_F(Containment, RecordForgedByTheAgentOfAKilledShimIsIgnored) {
  const Outcome outcome = RunAgent({"forge-record"});
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "shim_lost");
  EXPECT_TRUE(outcome.contained);
  EXPECT_GE(outcome.orphans_killed, 1u);
}

TEST_F(Containment, AgentThatEndsTracedByItsDescendantIsReported) {
  options_.timeout = 10s;
  const Outcome outcome = RunAgent({"end-traced"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess) << outcome.reason;
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.orphans_killed, 1u);
  EXPECT_TRUE(outcome.contained);
  EXPECT_LT(outcome.duration, 5s);
}

TEST_F(Containment, AgentCannotPreventItsResult) {
  EXPECT_EQ(RunAgent({"spoil-result"}).status, RunStatus::kSuccess);
  EXPECT_EQ(ResultJson()["status"], "success");
}

TEST_F(Containment, LostShimOfOneRunLeavesTheOthersAlone) {
  StartAgent({"obey-term"});
  AwaitOutput("ready");
  const Lease other{"018f2d3c-7a10-7c4e-9b1e-00000000000b", 1};
  supervisor_->Start(other, SomeIncident());
  RunUntil([&] { return started_.contains(other); });
  // The shim is the parent of its agent.
  const std::string status = Read("/proc/" + std::to_string(started_[other]) + "/status");
  const pid_t shim = std::stoi(status.substr(status.find("PPid:") + 5));
  ::kill(shim, SIGKILL);
  EXPECT_EQ(AwaitOutcome(other).reason, "shim_lost");
  EXPECT_EQ(supervisor_->active(), 1u);
  supervisor_->StopAll(StopReason::kInterrupted);
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.status, RunStatus::kInterrupted);
  EXPECT_EQ(outcome.exit_code, 0);
}

}  // namespace
}  // namespace runner::executor
