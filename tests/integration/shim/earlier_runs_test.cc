// What one executor leaves, the next one finds.

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

class Earlier : public RunFixture {
 protected:
  void AwaitEarlierRuns() {
    RunUntil([&] { return supervisor_->earlier_runs().StillRunning().empty(); });
  }
  // Reaps what came to this process, as init would.
  void ReapAll() {
    RunUntil([&] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return ::waitpid(-1, nullptr, WNOHANG) < 0;
    });
  }
};

TEST_F(Earlier, ResultOfALostExecutorIsFoundByTheNext) {
  options_.report_file = "output/investigation.md";
  StartAgent({"obey-term"});
  AwaitOutput("ready");
  Abandon();
  Restart();
  AwaitEarlierRuns();
  const auto recovered = supervisor_->Recover();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_EQ(recovered[0].first, LeaseOf());
  EXPECT_EQ(recovered[0].second.status, RunStatus::kInterrupted);
  EXPECT_EQ(recovered[0].second.reason, "executor_lost");
  EXPECT_TRUE(recovered[0].second.started);
  EXPECT_TRUE(recovered[0].second.contained);
  EXPECT_EQ(ResultJson()["status"], "interrupted");
  supervisor_->Recorded(LeaseOf());
  EXPECT_TRUE(supervisor_->Recover().empty());
  ReapAll();
}

TEST_F(Earlier, LockIsHeldUntilTheRecordIsThere) {
  options_.kill_grace = 300ms;
  StartAgent({"ignore-term"});
  AwaitOutput("ready");
  Abandon();
  Restart();
  EXPECT_FALSE(supervisor_->earlier_runs().StillRunning().empty());
  AwaitEarlierRuns();
  EXPECT_TRUE(std::filesystem::exists(SpoolFile()));
  ReapAll();
}

TEST_F(Earlier, OrphansOfAKilledShimAreKilledAtTheNextStart) {
  StartAgent({"daemon"});
  RunUntil([&] { return started_.contains(LeaseOf()); });
  AwaitOutcome();
  finished_.clear();
  // A process of a run whose shim and executor were killed together.
  const pid_t orphan = ::fork();
  ASSERT_GE(orphan, 0);
  if (orphan == 0) {
    const std::string variable = "RUNNER_WORKSPACE=" + Workspace().string();
    const char* const argv[] = {RUNNER_TEST_AGENT, "ignore-term", nullptr};
    const char* const envp[] = {variable.c_str(), nullptr};
    ::execve(RUNNER_TEST_AGENT, const_cast<char**>(argv), const_cast<char**>(envp));
    ::_exit(127);
  }
  RunUntil([&] { return supervisor_->earlier_runs().KillOrphans() == 1; });
  int status = 0;
  EXPECT_EQ(::waitpid(orphan, &status, 0), orphan);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(supervisor_->earlier_runs().KillOrphans(), 0u);
}

TEST_F(Earlier, OnlyOneExecutorDeliversTheSpool) {
  RunAgent({"exit", "3"});
  Supervisor other(*inbox_, options_, Logger(LogLevel::kError, LogFormat::kJson), *this);
  EXPECT_EQ(supervisor_->Recover().size(), 1u);
  EXPECT_TRUE(other.Recover().empty());
}

TEST_F(Earlier, WhatIsNoRecordIsLeftAlone) {
  const std::filesystem::path spool = root_ / ".spool";
  ASSERT_EQ(::mkfifo(SpoolFile().c_str(), 0600), 0);
  std::ofstream(SpoolFile(LeaseOf(2))) << "{\"incident_id\":\"\"";
  std::ofstream(spool / "notes.json") << "{}";
  std::filesystem::create_symlink("/etc/passwd", SpoolFile(LeaseOf(3)));
  EXPECT_TRUE(supervisor_->Recover().empty());
}

}  // namespace
}  // namespace runner::executor
