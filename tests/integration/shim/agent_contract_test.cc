#include <algorithm>
#include <array>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

using AgentContract = RunFixture;

bool HasLine(const std::string& text, const std::string& wanted) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == wanted) return true;
  }
  return false;
}

TEST_F(AgentContract, AgentCannotSignalTheExecutor) {
  std::promise<void> end;
  std::thread thread([&] { end.get_future().wait(); });
  EXPECT_EQ(RunAgent({"signal-executor", "once"}).status, RunStatus::kSuccess);
  EXPECT_EQ(Stdout(), "signals sent by:\n");
  end.set_value();
  thread.join();
}

TEST_F(AgentContract, ExitZeroIsSuccess) {
  const Outcome outcome = RunAgent({"exit", "0"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.signal, std::nullopt);
  EXPECT_TRUE(outcome.contained);
  EXPECT_EQ(outcome.orphans_killed, 0u);
  EXPECT_TRUE(started_.contains(LeaseOf()));
  EXPECT_EQ(supervisor_->active(), 0u);
}

TEST_F(AgentContract, ExitCodesAreExact) {
  for (const int code : {1, 2, 42, 126, 127, 128, 255}) {
    finished_.clear();
    const Outcome outcome = RunAgent({"exit", std::to_string(code)});
    EXPECT_EQ(outcome.status, RunStatus::kFailure);
    EXPECT_EQ(outcome.reason, "exit_code");
    EXPECT_EQ(outcome.exit_code, code);
  }
}

TEST_F(AgentContract, DeathBySignalIsReportedWithTheSignal) {
  for (const int signal : {SIGQUIT, SIGKILL, SIGTERM}) {
    finished_.clear();
    const Outcome outcome = RunAgent({"signal", std::to_string(signal)});
    EXPECT_EQ(outcome.status, RunStatus::kFailure);
    EXPECT_EQ(outcome.reason, "signal");
    EXPECT_EQ(outcome.signal, signal);
    EXPECT_EQ(outcome.exit_code, std::nullopt);
  }
}

TEST_F(AgentContract, EnvironmentHoldsOnlyWhatIsDocumented) {
  ::setenv("RUNNER_TEST_SECRET", "must not be seen", 1);
  ::setenv("RUNNER_TEST_PASSED", "passed", 1);
  options_.env = {"RUNNER_TEST_PASSED", "EXTRA=a=b"};
  RunAgent({"environment"});
  ::unsetenv("RUNNER_TEST_SECRET");
  ::unsetenv("RUNNER_TEST_PASSED");
  const std::string environment = Stdout();
  EXPECT_EQ(environment.find("must not be seen"), std::string::npos);
  EXPECT_TRUE(HasLine(environment, "RUNNER_TEST_PASSED=passed"));
  EXPECT_TRUE(HasLine(environment, "EXTRA=a=b"));
  EXPECT_TRUE(HasLine(environment, std::string("RUNNER_INCIDENT_ID=") + kIncidentId));
  EXPECT_TRUE(HasLine(environment, "RUNNER_WORKSPACE=" + Workspace().string()));
  EXPECT_TRUE(HasLine(environment, "RUNNER_FAULT_TYPE=CrashLoop"));
  EXPECT_TRUE(HasLine(environment, "RUNNER_TIMEOUT_SECONDS=20"));
}

TEST_F(AgentContract, SoftLimitOfOpenFilesIsTheConfiguredOne) {
  options_.command = {"/bin/sh"};
  options_.descriptor_limit = 200;
  RunAgent({"-c", "ulimit -Sn; ulimit -Hn"});
  rlimit own{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &own), 0);
  const std::string hard =
      own.rlim_max == RLIM_INFINITY ? "unlimited" : std::to_string(own.rlim_max);
  EXPECT_EQ(Stdout(), "200\n" + hard + "\n");
}

TEST_F(AgentContract, StdinIsTheIncident) {
  RunAgent({"stdin"});
  EXPECT_EQ(Stdout(), Read(Workspace() / "incident.json"));
  EXPECT_EQ(nlohmann::json::parse(Stdout())["incidentId"], kIncidentId);
}

TEST_F(AgentContract, StdinIsEmptyIfConfigured) {
  options_.stdin_incident = false;
  EXPECT_EQ(RunAgent({"stdin"}).status, RunStatus::kSuccess);
  EXPECT_EQ(Stdout(), "");
}

TEST_F(AgentContract, WorkingDirectoryIsTheWorkspace) {
  RunAgent({"directory"});
  EXPECT_EQ(Stdout(), Workspace().string());
}

TEST_F(AgentContract, AgentHasOnlyTheStandardDescriptors) {
  RunAgent({"descriptors"});
  std::istringstream list(Stdout());
  std::vector<int> descriptors{std::istream_iterator<int>(list), std::istream_iterator<int>()};
  std::sort(descriptors.begin(), descriptors.end());
  EXPECT_EQ(descriptors, (std::vector<int>{0, 1, 2}));
}

TEST_F(AgentContract, AgentHasDefaultSignalsAndNoNewPrivileges) {
  ::signal(SIGPIPE, SIG_IGN);
  RunAgent({"signals"});
  ::signal(SIGPIPE, SIG_DFL);
  EXPECT_TRUE(HasLine(Stdout(), "SigBlk:\t0000000000000000")) << Stdout();
  EXPECT_TRUE(HasLine(Stdout(), "SigIgn:\t0000000000000000")) << Stdout();
  EXPECT_TRUE(HasLine(Stdout(), "NoNewPrivs:\t1")) << Stdout();
}

TEST_F(AgentContract, AgentLeadsItsOwnSessionAndGroup) {
  RunAgent({"session"});
  EXPECT_EQ(Stdout(), "1");
}

TEST_F(AgentContract, ArgumentsArePassedUnchanged) {
  RunAgent({"arguments", "$HOME", "a b", "", "*", "--", "--timeout-ms"});
  EXPECT_EQ(Stdout(), "$HOME\na b\n\n*\n--\n--timeout-ms\n");
}

TEST_F(AgentContract, FilesOfAWorkspaceArePrivate) {
  RunAgent({"report", "200"});
  for (const char* name : {"incident.json", "result.json", "agent.stdout.log", "agent.stderr.log",
                           "output/investigation.md"}) {
    EXPECT_EQ(fs::status(Workspace() / name).permissions(),
              fs::perms::owner_read | fs::perms::owner_write)
        << name;
  }
  EXPECT_EQ(fs::status(Workspace()).permissions(), fs::perms::owner_all);
}

TEST_F(AgentContract, ResultJsonHoldsTheOutcome) {
  RunAgent({"exit", "3"});
  const nlohmann::json result = ResultJson();
  EXPECT_EQ(result["incidentId"], kIncidentId);
  EXPECT_EQ(result["attempt"], 1);
  EXPECT_EQ(result["status"], "failure");
  EXPECT_EQ(result["reason"], "exit_code");
  EXPECT_EQ(result["exitCode"], 3);
  EXPECT_TRUE(result["signal"].is_null());
  EXPECT_TRUE(result["spawnError"].is_null());
  EXPECT_EQ(result["timedOut"], false);
  EXPECT_EQ(result["contained"], true);
  EXPECT_EQ(result["stdoutBytes"], 0);
  EXPECT_TRUE(result["report"].is_null());
}

TEST_F(AgentContract, ReportIsSentAndNamed) {
  options_.report_file = "output/investigation.md";
  const Outcome outcome = RunAgent({"report", "200"});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  EXPECT_EQ(outcome.report, std::string(200, 'r'));
  EXPECT_FALSE(outcome.report_partial);
  EXPECT_EQ(ResultJson()["report"]["bytes"], 200);
}

TEST_F(AgentContract, InvalidRequiredReportIsAFailure) {
  options_.report_file = "output/investigation.md";
  EXPECT_EQ(RunAgent({"exit", "0"}).reason, "report_missing");
  finished_.clear();
  EXPECT_EQ(RunAgent({"report", "99"}).reason, "report_too_small");
}

TEST_F(AgentContract, FilesOfOtherKindsAreRejectedAsReportWithoutBlocking) {
  options_.report_file = "output/investigation.md";
  const fs::path secret = root_ / "secret";
  std::ofstream(secret) << std::string(200, 's');
  const std::vector<std::string> modes[] = {{"report-fifo"},
                                            {"report-directory"},
                                            {"report-symlink", secret},
                                            {"report-hardlink", secret}};
  for (const std::vector<std::string>& mode : modes) {
    finished_.clear();
    const Outcome outcome = RunAgent(mode);
    EXPECT_EQ(outcome.reason, "report_invalid") << mode[0];
    EXPECT_EQ(outcome.report, "") << mode[0];
  }
  finished_.clear();
  const Outcome huge = RunAgent({"report-huge"});
  EXPECT_EQ(huge.status, RunStatus::kSuccess);
  EXPECT_LE(huge.report.size(), 64u * 1024);
}

// The agent swaps its report and result.json for links while the shim measures its workspace.
TEST_F(AgentContract, FilesOutsideAreNeitherReadNorWrittenWhileEntriesAreSwapped) {
  options_.report_file = "output/investigation.md";
  options_.workspace_limit = 1 << 30;
  const fs::path secret = root_ / "secret";
  std::ofstream(secret) << std::string(200, 'x');
  for (int i = 0; i < 20; ++i) {
    finished_.clear();
    const Outcome outcome = RunAgent({"swap", secret, "60"});
    EXPECT_EQ(outcome.report.find('x'), std::string::npos);
    EXPECT_EQ(Read(secret), std::string(200, 'x'));
    EXPECT_TRUE(fs::symlink_status(Workspace() / "result.json").type() == fs::file_type::regular);
    EXPECT_EQ(ResultJson()["incidentId"], kIncidentId);
  }
}

TEST_F(AgentContract, MissingProgramIsASpawnError) {
  options_.command = {"/nonexistent/agent"};
  const Outcome outcome = RunAgent({});
  EXPECT_EQ(outcome.reason, "spawn_error");
  EXPECT_EQ(outcome.exit_code, 127);
  EXPECT_TRUE(outcome.contained);
  EXPECT_FALSE(started_.contains(LeaseOf()));
  EXPECT_EQ(ResultJson()["spawnError"], "ENOENT: No such file or directory");
}

TEST_F(AgentContract, ProgramThatCannotBeExecutedIsASpawnError) {
  const fs::path plain = root_ / "plain";
  std::ofstream(plain) << "not a program\n";
  const fs::path broken = root_ / "broken";
  std::ofstream(broken) << "\x7f"
                           "ELF but nothing more\n";
  ::chmod(broken.c_str(), 0700);
  const fs::path strange = root_ / "strange";
  std::ofstream(strange) << "#!/nonexistent/interpreter\n";
  ::chmod(strange.c_str(), 0700);
  const struct {
    fs::path program;
    int exit_code;
    const char* error;
  } cases[] = {{plain, 126, "EACCES: Permission denied"},
               {broken, 126, "ENOEXEC: Exec format error"},
               // execve(2) reports a missing interpreter as a missing file.
               {strange, 127, "ENOENT: No such file or directory"},
               {root_, 126, "EACCES: Permission denied"}};
  for (const auto& [program, exit_code, error] : cases) {
    finished_.clear();
    options_.command = {program};
    ::testing::internal::CaptureStderr();
    const Outcome outcome = RunAgent({});
    logger_.Flush();
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(outcome.reason, "spawn_error") << program;
    EXPECT_EQ(outcome.exit_code, exit_code) << program;
    EXPECT_FALSE(outcome.started) << program;
    EXPECT_EQ(ResultJson()["spawnError"], error) << program;
    EXPECT_NE(log.find("Agent could not be started"), std::string::npos) << log;
    EXPECT_NE(log.find(error), std::string::npos) << log;
  }
}

TEST_F(AgentContract, WorkspaceThatCannotBeCreatedFailsOnlyThatRun) {
  const Lease bad{"../../etc", 1};
  supervisor_->Start(bad, SomeIncident());
  EXPECT_FALSE(finished_.contains(bad)) << "reported from inside Start";
  const Outcome outcome = AwaitOutcome(bad);
  EXPECT_EQ(outcome.reason, "spawn_error");
  EXPECT_TRUE(outcome.contained);
  EXPECT_EQ(RunAgent({"exit", "0"}).status, RunStatus::kSuccess);
}

TEST_F(AgentContract, SecondAttemptKeepsTheWorkspaceOfTheFirst) {
  RunAgent({"exit", "1"});
  StartAgent({"exit", "0"}, LeaseOf(2));
  EXPECT_EQ(AwaitOutcome(LeaseOf(2)).status, RunStatus::kSuccess);
  EXPECT_EQ(ResultJson()["attempt"], 2);
  const fs::path earlier = root_ / (std::string(kIncidentId) + ".1") / "result.json";
  EXPECT_EQ(nlohmann::json::parse(Read(earlier))["attempt"], 1);
}

TEST_F(AgentContract, ResultStaysInTheSpoolUntilItIsAcknowledged) {
  RunAgent({"exit", "5"});
  const auto record = ParseShimRecord(Read(SpoolFile()));
  ASSERT_TRUE(record);
  EXPECT_STREQ(record->incident_id, kIncidentId);
  EXPECT_EQ(record->exit_code, 5);
  supervisor_->ForgetResult(LeaseOf());
  EXPECT_FALSE(fs::exists(SpoolFile()));
}

TEST_F(AgentContract, StatusIsExactWithClosedStandardDescriptors) {
  EXPECT_EQ(RunAgent({"close-stdio"}).exit_code, 7);
}

TEST_F(AgentContract, RunsAreListedNewestFirst) {
  RunAgent({"exit", "0"});
  finished_.clear();
  supervisor_->Start(LeaseOf(2), SomeIncident());
  AwaitOutcome(LeaseOf(2));
  const std::vector<RunInfo> runs = supervisor_->Runs();
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].lease, LeaseOf(2));
  EXPECT_EQ(runs[0].state, "finished");
  EXPECT_EQ(runs[0].cluster, "prod");
  EXPECT_EQ(runs[1].outcome->status, RunStatus::kSuccess);
}

}  // namespace
}  // namespace runner::executor
