// Agents that exceed their limits, or the resources of the machine.

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/integration/shim/cgroup.h"
#include "tests/integration/shim/run_fixture.h"
#include "tests/support/sanitizers.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;
using support::LimitedCgroup;

using Limits = RunFixture;

TEST_F(Limits, AgentOverItsMemoryLimitIsStopped) {
  options_.memory_limit = 64 << 20;
  const Outcome outcome = RunAgent({"memory", "128"});
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "memory_limit");
  EXPECT_TRUE(outcome.contained);
}

TEST_F(Limits, MemoryOfTheWholeTreeCounts) {
  options_.memory_limit = 64 << 20;
  options_.command = {"/bin/sh", "-c"};
  const std::string one = std::string(RUNNER_TEST_AGENT) + " memory 40";
  options_.command.push_back(one + " & " + one + " & wait");
  Restart();
  supervisor_->Start(LeaseOf(), SomeIncident());
  EXPECT_EQ(AwaitOutcome().reason, "memory_limit");
}

TEST_F(Limits, AgentBelowItsLimitsIsLeftAlone) {
  options_.memory_limit = 1 << 30;
  options_.workspace_limit = 1 << 30;
  options_.timeout = 2500ms;  // longer than two samples
  EXPECT_EQ(RunAgent({"memory", "16"}).status, RunStatus::kTimeout);
}

TEST_F(Limits, AgentOverItsWorkspaceLimitIsStopped) {
  options_.workspace_limit = 8 << 20;
  const Outcome outcome = RunAgent({"fill", std::to_string(16 << 20)});
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "workspace_limit");
  EXPECT_TRUE(outcome.contained);
}

// Agents that hide 16 MiB of disk space from a limit of 8 MiB.
class HiddenFiles : public Limits, public testing::WithParamInterface<const char*> {};

TEST_P(HiddenFiles, FilesWithoutANameCountForTheWorkspaceLimit) {
  options_.workspace_limit = 8 << 20;
  options_.timeout = 20s;
  options_.command = {"/bin/sh", "-c", std::string(GetParam()) + "\nexec sleep 20"};
  Restart();
  supervisor_->Start(LeaseOf(), SomeIncident());
  EXPECT_EQ(AwaitOutcome().reason, "workspace_limit");
  for (const char* hidden : {"", "output/d"}) {  // otherwise only root could clean up
    std::error_code ignored;
    std::filesystem::permissions(Workspace() / hidden, std::filesystem::perms::owner_all, ignored);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ways, HiddenFiles,
    testing::Values(
        "mkdir output/d && head -c 16777216 /dev/zero >output/d/f && chmod 0300 output/d",
        "mkdir -p output/d/e && head -c 16777216 /dev/zero >output/d/e/f && chmod 0 output/d",
        "head -c 16777216 /dev/zero >output/f && chmod 0 .",
        "exec 9>output/f && rm output/f && head -c 16777216 /dev/zero >&9",
        RUNNER_TEST_AGENT " map-removed 16",
        "exec 9>output/f && rm output/f && setsid sh -c 'head -c 16777216 /dev/zero >&9; sleep "
        "20'"));

TEST_F(Limits, LinksAndHolesCountByBlocksOnce) {
  options_.workspace_limit = 8 << 20;
  options_.timeout = 2500ms;  // longer than two samples
  options_.command = {"/bin/sh", "-c",
                      "head -c 4194304 /dev/zero >output/f && for i in 1 2 3 4 5 6 7 8; do "
                      "ln output/f output/l$i; done; truncate -s 10G output/hole\nexec sleep 20"};
  Restart();
  supervisor_->Start(LeaseOf(), SomeIncident());
  EXPECT_EQ(AwaitOutcome().status, RunStatus::kTimeout);
}

TEST_F(Limits, AgentThatUsesAllItsDescriptorsHarmsNoOtherRun) {
  options_.timeout = 1s;
  StartAgent({"exhaust-descriptors"});
  AwaitOutput("out of descriptors");
  EXPECT_EQ(AwaitOutcome().status, RunStatus::kTimeout);
  EXPECT_FALSE(supervisor_->tainted());
}

TEST_F(Limits, LackOfProcessesIsAShortageAndTheExecutorContinues) {
  const auto cgroup = LimitedCgroup::Make("pids", "pids.max", "30");
  if (!cgroup) GTEST_SKIP() << LimitedCgroup::Reason();
  options_.timeout = 2s;
  StartAgent({"exhaust-processes", "1000"});
  AwaitOutput("out of processes");
  Lease other{"018f2d3c-7a10-7c4e-9b1e-aaaaaaaaaaaa", 1};
  // Either the shim cannot be started, or the shim cannot start the agent.
  if (supervisor_->Start(other, SomeIncident())) {
    const Outcome refused = AwaitOutcome(other);
    EXPECT_EQ(refused.status, RunStatus::kInterrupted);
    EXPECT_EQ(refused.reason, "shortage");
    EXPECT_FALSE(refused.started);
  }
  const Outcome outcome = AwaitOutcome();
  EXPECT_EQ(outcome.status, RunStatus::kTimeout);
  EXPECT_TRUE(outcome.contained);
  finished_.clear();
  EXPECT_EQ(RunAgent({"exit", "0"}).status, RunStatus::kSuccess);
}

TEST_F(Limits, ForkBombAtTheLimitOfProcessesIsContained) {
  const auto cgroup = LimitedCgroup::Make("pids", "pids.max", "200");
  if (!cgroup) GTEST_SKIP() << LimitedCgroup::Reason();
  for (const char* mode : {"storm", "storm-setsid"}) {
    finished_.clear();
    options_.timeout = 1s;
    options_.kill_grace = 200ms;
    const Outcome outcome = RunAgent({mode, "2000"});
    EXPECT_TRUE(outcome.contained) << mode;
    EXPECT_GT(outcome.orphans_killed, 100u) << mode;
    EXPECT_FALSE(supervisor_->tainted()) << mode;
  }
}

TEST_F(Limits, AgentThatTheKernelKillsForMemoryIsReportedAsOomKilled) {
  const auto cgroup = LimitedCgroup::Make("memory", "memory.limit_in_bytes", "128M");
  if (!cgroup) GTEST_SKIP() << LimitedCgroup::Reason();
  const Outcome outcome = RunAgent({"memory", "512"});
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "oom_killed");
  EXPECT_EQ(ResultJson()["oom"], true);
}

TEST_F(Limits, AgentThatKillsItselfIsNotReportedAsOomKilled) {
  const Outcome outcome = RunAgent({"signal", "9"});
  EXPECT_EQ(outcome.reason, "signal");
  EXPECT_EQ(ResultJson()["oom"], false);
}

// A workspace root on a file system of 4 MiB.
class FullDisk : public RunFixture {
 protected:
  void SetUp() override {
    RunFixture::SetUp();
    supervisor_.reset();
    std::filesystem::remove_all(root_ / ".spool");
    mounted_ = ::mount("none", root_.c_str(), "tmpfs", 0, "size=4m") == 0;
    if (!mounted_) GTEST_SKIP() << "needs the right to mount: " << std::strerror(errno);
    Restart();
  }
  void TearDown() override {
    RunFixture::TearDown();
    if (mounted_) ::umount2(root_.c_str(), MNT_DETACH);
  }
  bool mounted_ = false;
};

TEST_F(FullDisk, RunThatFillsTheDiskFailsAndOthersContinue) {
  const Outcome outcome = RunAgent({"fill", std::to_string(64 << 20)});
  EXPECT_EQ(outcome.status, RunStatus::kFailure);
  EXPECT_EQ(outcome.reason, "disk_full");
  EXPECT_EQ(outcome.exit_code, ENOSPC);
  std::filesystem::remove(Workspace() / "output/fill");
  finished_.clear();
  EXPECT_EQ(RunAgent({"exit", "0"}).status, RunStatus::kSuccess);
}

TEST_F(FullDisk, FullDiskTruncatesTheLogAndNotTheRun) {
  options_.max_output = 64 << 20;
  const Outcome outcome = RunAgent({"flood", std::to_string(16 << 20)});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_LT(Stdout().size(), 5u << 20);
}

// With one more descriptor each time until the start succeeds: each step reaches the limit once.
TEST_F(Limits, DescriptorsShortAtAnyStepOfTheStartAreAShortage) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  bool succeeded = false;
  int refused = 0;
  options_.command = {RUNNER_TEST_AGENT, "exit", "0"};
  Restart();
  for (rlim_t limit = 3; !succeeded && limit < 200; ++limit) {
    std::filesystem::remove_all(Workspace());
    const rlimit less{limit, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &less), 0);
    const bool began = supervisor_->Start(LeaseOf(), SomeIncident());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(supervisor_->active(), began ? 1u : 0u);
    EXPECT_EQ(std::filesystem::exists(Workspace()), began) << limit;
    if (!began && ++refused) continue;
    const Outcome outcome = AwaitOutcome();
    succeeded = outcome.status == RunStatus::kSuccess;
    if (!succeeded) {
      EXPECT_EQ(outcome.status, RunStatus::kInterrupted) << limit << " " << outcome.reason;
      EXPECT_EQ(outcome.reason, "shortage") << limit;
    }
    finished_.clear();
  }
  EXPECT_TRUE(succeeded);
  EXPECT_GT(refused, 3);
}

TEST_F(FullDisk, RunThatCannotStartIsAShortage) {
  std::ofstream fill(root_ / "fill");
  const std::string chunk(64 * 1024, 'x');
  while (fill << chunk << std::flush) {
  }
  options_.command = {RUNNER_TEST_AGENT, "exit", "0"};
  Restart();
  EXPECT_FALSE(supervisor_->Start(LeaseOf(), SomeIncident()));
  EXPECT_EQ(supervisor_->active(), 0u);
  EXPECT_FALSE(std::filesystem::exists(Workspace()));
  fill.close();  // otherwise the file keeps its blocks
  std::filesystem::remove(root_ / "fill");
  finished_.clear();
  EXPECT_EQ(RunAgent({"exit", "0"}).status, RunStatus::kSuccess);
}

}  // namespace
}  // namespace runner::executor
