// An executor finds the runs that an earlier one left.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/runs/leftover_cleanup.h"
#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

class Earlier : public RunFixture {
 protected:
  void AwaitLeftoverRuns() {
    RunUntil([&] { return supervisor_->leftover_runs().StillRunning().empty(); });
  }
  // Starts a process of a run whose shim and executor were killed together.
  pid_t StartOrphan(const std::string& mode) const {
    int executed[2];
    if (::pipe2(executed, O_CLOEXEC) != 0) return -1;
    const pid_t orphan = ::fork();
    if (orphan != 0) {
      ::close(executed[1]);
      char none;
      [[maybe_unused]] const auto end = ::read(executed[0], &none, 1);
      ::close(executed[0]);
      return orphan;
    }
    const std::string variable = "RUNNER_WORKSPACE=" + Workspace().string();
    const char* const argv[] = {RUNNER_TEST_AGENT, mode.c_str(), nullptr};
    const char* const envp[] = {variable.c_str(), nullptr};
    ::execve(RUNNER_TEST_AGENT, const_cast<char**>(argv), const_cast<char**>(envp));
    ::_exit(127);
  }
  // Cleans up the runs of a dead executor; calls `meanwhile` between the steps.
  LeftoverCleanup::State TakeOver(
      bool alone, Duration shim_timeout, const std::function<void()>& meanwhile = [] {}) {
    LeftoverCleanup takeover(supervisor_->leftover_runs(),
                             Logger(LogLevel::kError, LogFormat::kJson), alone,
                             event_loop_->Now().mono, shim_timeout);
    auto state = LeftoverCleanup::State::kWaiting;
    RunUntil([&] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      meanwhile();
      state = takeover.Advance(event_loop_->Now().mono);
      return state != LeftoverCleanup::State::kWaiting;
    });
    return state;
  }
  // Starts an agent that ignores SIGTERM and destroys its executor. Returns the shim.
  pid_t AbandonStubbornAgent() {
    options_.kill_grace = 100ms;
    StartAgent({"ignore-term"});
    AwaitOutput("ready");
    RunUntil([&] { return started_.contains(LeaseOf()); });
    const std::string status = Read("/proc/" + std::to_string(started_[LeaseOf()]) + "/status");
    const pid_t shim = std::stoi(status.substr(status.find("PPid:") + 5));
    ::kill(shim, SIGSTOP);
    Abandon();
    Restart();
    return shim;
  }
  // Reaps the processes that were re-parented to this one, as init would.
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
  AwaitLeftoverRuns();
  const auto recovered = supervisor_->Recover();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_EQ(recovered[0].first, LeaseOf());
  EXPECT_EQ(recovered[0].second.status, RunStatus::kInterrupted);
  EXPECT_EQ(recovered[0].second.reason, "executor_lost");
  EXPECT_TRUE(recovered[0].second.started);
  EXPECT_TRUE(recovered[0].second.contained);
  EXPECT_EQ(ResultJson()["status"], "interrupted");
  supervisor_->ForgetResult(LeaseOf());
  EXPECT_TRUE(supervisor_->Recover().empty());
  ReapAll();
}

TEST_F(Earlier, LockIsHeldUntilTheRecordIsWritten) {
  options_.kill_grace = 300ms;
  StartAgent({"ignore-term"});
  AwaitOutput("ready");
  Abandon();
  Restart();
  EXPECT_FALSE(supervisor_->leftover_runs().StillRunning().empty());
  AwaitLeftoverRuns();
  EXPECT_TRUE(std::filesystem::exists(SpoolFile()));
  ReapAll();
}

TEST_F(Earlier, OrphansOfAKilledShimAreKilledAtTheNextStart) {
  StartAgent({"daemon"});
  RunUntil([&] { return started_.contains(LeaseOf()); });
  AwaitOutcome();
  finished_.clear();
  const pid_t orphan = StartOrphan("ignore-term");
  ASSERT_GT(orphan, 0);
  RunUntil([&] { return supervisor_->leftover_runs().KillOrphans() == 1; });
  int status = 0;
  EXPECT_EQ(::waitpid(orphan, &status, 0), orphan);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(supervisor_->leftover_runs().KillOrphans(), 0u);
}

TEST_F(Earlier, OrphanThatKeepsForkingIsKilled) {
  RunAgent({"exit", "0"});
  ASSERT_GT(StartOrphan("hopper"), 0);
  EXPECT_EQ(TakeOver(true, 0s), LeftoverCleanup::State::kClear);
  ReapAll();
}

TEST_F(Earlier, StoppedShimIsContinuedAndEndsItsRun) {
  AbandonStubbornAgent();
  EXPECT_EQ(TakeOver(true, 10s), LeftoverCleanup::State::kClear);
  const auto recovered = supervisor_->Recover();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_EQ(recovered[0].second.reason, "executor_lost");
  EXPECT_TRUE(recovered[0].second.contained);
  ReapAll();
}

TEST_F(Earlier, ShimThatIsStoppedRepeatedlyIsKilledWithItsRun) {
  const pid_t shim = AbandonStubbornAgent();
  const MonoTime began = event_loop_->Now().mono;
  EXPECT_EQ(TakeOver(true, 200ms, [&] { ::kill(shim, SIGSTOP); }), LeftoverCleanup::State::kClear);
  EXPECT_GE(event_loop_->Now().mono - began, 200ms);
  EXPECT_LT(event_loop_->Now().mono - began, 5s);
  ReapAll();
}

TEST_F(Earlier, RunThatMayBelongToALiveExecutorIsLeftAlone) {
  const pid_t shim = AbandonStubbornAgent();
  EXPECT_EQ(TakeOver(false, 200ms), LeftoverCleanup::State::kClear);
  EXPECT_EQ(supervisor_->leftover_runs().StillRunning().size(), 1u);
  ::kill(shim, SIGCONT);
  AwaitLeftoverRuns();
  ReapAll();
}

// The lock is held by a process that is no shim and has not its environment.
TEST_F(Earlier, LockWithoutAKnownHolderIsReported) {
  RunAgent({"exit", "0"});
  Restart();
  const UniqueFd holder(::open(Workspace().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(holder.Get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(TakeOver(true, 0s), LeftoverCleanup::State::kStuck);
}

TEST_F(Earlier, RunThatItsShimDidNotContainIsSweptAndReported) {
  RunAgent({"exit", "0"});
  std::string record = Read(SpoolFile());
  const std::string proven = "\"contained\":true";
  record.replace(record.find(proven), proven.size(), "\"contained\":false");
  std::ofstream(SpoolFile()) << record;
  const pid_t orphan = StartOrphan("ignore-term");
  ASSERT_GT(orphan, 0);
  Restart();
  EXPECT_EQ(TakeOver(true, 0s), LeftoverCleanup::State::kClear);
  EXPECT_NE(::kill(orphan, 0), 0);
  const auto recovered = supervisor_->Recover();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_FALSE(recovered[0].second.contained);
  ReapAll();
}

TEST_F(Earlier, OrphansAreFoundUnderAnySpellingOfTheWorkspaceRoot) {
  RunAgent({"exit", "0"});
  const std::filesystem::path link = root_ / "link";
  std::filesystem::create_directory_symlink(root_, link);
  for (const std::filesystem::path& spelling :
       {root_ / "", link, root_ / ".." / root_.filename()}) {
    const pid_t orphan = StartOrphan("ignore-term");
    ASSERT_GT(orphan, 0);
    LeftoverRuns earlier(spelling);
    std::size_t killed = 0;
    const MonoTime limit = event_loop_->Now().mono + 5s;
    while (killed == 0 && event_loop_->Now().mono < limit) killed = earlier.KillOrphans();
    EXPECT_EQ(killed, 1u) << spelling;
    ::kill(orphan, SIGKILL);
    EXPECT_EQ(::waitpid(orphan, nullptr, 0), orphan);
  }
}

TEST_F(Earlier, OnlyOneExecutorDeliversTheSpool) {
  RunAgent({"exit", "3"});
  Supervisor other(*event_loop_, options_, Logger(LogLevel::kError, LogFormat::kJson), *this);
  EXPECT_EQ(supervisor_->Recover().size(), 1u);
  EXPECT_TRUE(other.Recover().empty());
}

TEST_F(Earlier, RecordWhoseWorkspaceIsGoneHasNoReport) {
  options_.report_file = "output/investigation.md";
  EXPECT_EQ(RunAgent({"report", "200"}).status, RunStatus::kSuccess);
  std::filesystem::remove_all(Workspace());
  const auto recovered = supervisor_->Recover();
  ASSERT_EQ(recovered.size(), 1u);
  EXPECT_EQ(recovered[0].second.status, RunStatus::kFailure);
  EXPECT_EQ(recovered[0].second.reason, "report_missing");
}

TEST_F(Earlier, FileThatIsNotARecordIsLeftAlone) {
  const std::filesystem::path spool = root_ / ".spool";
  ASSERT_EQ(::mkfifo(SpoolFile().c_str(), 0600), 0);
  std::ofstream(SpoolFile(LeaseOf(2))) << "{\"incident_id\":\"\"";
  std::ofstream(spool / "notes.json") << "{}";
  std::filesystem::create_symlink("/etc/passwd", SpoolFile(LeaseOf(3)));
  EXPECT_TRUE(supervisor_->Recover().empty());
}

}  // namespace
}  // namespace runner::executor
