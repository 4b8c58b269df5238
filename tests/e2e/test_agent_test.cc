// Tests each mode of the agent that misbehaves on demand.

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/child_process.h"
#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/temp_dir.h"

namespace runner {
namespace {

using namespace support;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class TestAgent : public ::testing::Test {
 protected:
  void SetUp() override {
    BecomeSubreaper();
    std::filesystem::create_directory(Path("output"));
  }
  // Kills what a mode has left; nothing may remain.
  void TearDown() override {
    ReapUntilAlone(std::chrono::milliseconds(0));
    EXPECT_TRUE(ReapUntilAlone(std::chrono::milliseconds(0)).empty());
  }

  std::filesystem::path Path(const std::string& name) const { return directory_.path() / name; }
  std::string Output() const { return ReadFile(Path("out")); }
  ChildProcess Start(std::vector<std::string> arguments) {
    ChildProcess::Command command;
    command.argv = {RUNNER_TEST_AGENT};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment["RUNNER_REPORT_FILE"] = Path("output/report.md");
    command.directory = directory_.path();
    command.stdout_file = Path("out");
    command.stderr_file = Path("err");
    return ChildProcess(command);
  }
  int Run(const std::vector<std::string>& arguments) {
    ChildProcess agent = Start(arguments);
    return agent.WaitForExit(kRpcTimeout).value_or(-1000);
  }
  // The processes of the agent that remain after its first process.
  std::vector<ProcessEntry> Left() const { return ProcessesNaming(RUNNER_TEST_AGENT); }

  const TempDir directory_;
};

TEST_F(TestAgent, HelpHasALineForEachMode) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(Output(), HasSubstr("\nignore-term          ignores SIGTERM\n"));
  EXPECT_EQ(Run({"no-such-mode"}), 64);
}

TEST_F(TestAgent, IgnoresSigterm) {
  ChildProcess agent = Start({"ignore-term"});
  ASSERT_TRUE(Eventually([&] { return Output() == "ready\n"; }));
  agent.Terminate();
  EXPECT_EQ(agent.WaitForExit(std::chrono::milliseconds(50)), std::nullopt);
}

TEST_F(TestAgent, StopsItself) {
  const ChildProcess agent = Start({"stop-itself"});
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(agent.pid()), &info, WSTOPPED | WNOWAIT), 0);
  EXPECT_EQ(info.si_code, CLD_STOPPED);
}

TEST_F(TestAgent, LeavesProcesses) {
  for (const char* mode : {"setsid-child", "daemon", "stdout-holder"}) {
    EXPECT_EQ(Run({mode}), 0);
    EXPECT_THAT(ReapUntilAlone(std::chrono::milliseconds(0)), SizeIs(1)) << mode;
  }
}

TEST_F(TestAgent, StormsHaveTheRequestedSize) {
  for (const char* mode : {"storm", "storm-setsid"}) {
    EXPECT_EQ(Run({mode, "40"}), 0);
    EXPECT_TRUE(Eventually([this] { return Left().size() == 40; })) << mode << Left().size();
    EXPECT_THAT(ReapUntilAlone(std::chrono::milliseconds(0)), SizeIs(40)) << mode;
  }
}

TEST_F(TestAgent, LeavesZombies) { EXPECT_EQ(Run({"zombies"}), 0); }

TEST_F(TestAgent, FloodsWithTextAndWithEveryByte) {
  EXPECT_EQ(Run({"flood", "200000"}), 0);
  EXPECT_THAT(Output(), StartsWith("FIRST\nxxx"));
  EXPECT_GE(Output().size(), 200000u);
  EXPECT_EQ(Run({"flood-binary", "200000"}), 0);
  const std::string output = Output();
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_NE(output.find(static_cast<char>(byte)), std::string::npos) << byte;
  }
}

TEST_F(TestAgent, ClosesItsStdio) { EXPECT_EQ(Run({"close-stdio"}), 7); }

TEST_F(TestAgent, TouchesMemory) {
  const ChildProcess agent = Start({"memory", "50"});
  ASSERT_TRUE(Eventually([&] { return Output() == "touched\n"; }));
  const std::string statm = ReadFile("/proc/" + std::to_string(agent.pid()) + "/statm");
  const long resident = std::strtol(statm.c_str() + statm.find(' '), nullptr, 10);
  EXPECT_GE(resident * ::sysconf(_SC_PAGESIZE), 50L << 20);
}

TEST_F(TestAgent, FillsItsWorkspace) {
  const ChildProcess agent = Start({"fill", "1000000"});
  ASSERT_TRUE(Eventually([&] { return Output() == "filled\n"; }));
  EXPECT_EQ(std::filesystem::file_size(Path("output/fill")), 1000000u);
}

TEST_F(TestAgent, ReportsAFullDisk) {
  // A limit on the file size simulates a small disk; with its signal ignored, write(2) fails with
  // EFBIG.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1 << 20, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_EQ(Run({"fill", "2000000"}), EFBIG);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
}

TEST_F(TestAgent, RunsOutOfDescriptors) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{64, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const ChildProcess agent = Start({"exhaust-descriptors"});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(Eventually([&] { return Output() == "out of descriptors after 61\n"; })) << Output();
}

TEST_F(TestAgent, ForksTheRequestedNumberOfProcesses) {
  const ChildProcess agent = Start({"exhaust-processes", "25"});
  EXPECT_TRUE(Eventually([&] { return Output() == "forked 25\n"; })) << Output();
  EXPECT_THAT(Left(), SizeIs(26));
}

TEST_F(TestAgent, MakesReportsThatAreNotRegularFiles) {
  WriteFile(Path("target"), "secret");
  const std::filesystem::path report = Path("output/report.md");
  const auto made = [&](const std::vector<std::string>& arguments) {
    std::filesystem::remove(report);
    EXPECT_EQ(Run(arguments), 0) << arguments[0];
    return std::filesystem::symlink_status(report).type();
  };
  EXPECT_EQ(made({"report-fifo"}), std::filesystem::file_type::fifo);
  EXPECT_EQ(made({"report-directory"}), std::filesystem::file_type::directory);
  EXPECT_EQ(made({"report-symlink", Path("target")}), std::filesystem::file_type::symlink);
  EXPECT_EQ(made({"report-hardlink", Path("target")}), std::filesystem::file_type::regular);
  EXPECT_EQ(std::filesystem::hard_link_count(report), 2u);
  EXPECT_EQ(made({"report-huge"}), std::filesystem::file_type::regular);
  EXPECT_EQ(std::filesystem::file_size(report), std::uintmax_t{10} << 30);
}

TEST_F(TestAgent, ReplacesEntriesByLinks) {
  WriteFile(Path("target"), "secret");
  ChildProcess agent = Start({"swap", Path("target"), "1000"});
  const auto is_link = [this] { return std::filesystem::is_symlink(Path("output/report.md")); };
  EXPECT_TRUE(Eventually(is_link));
  EXPECT_TRUE(Eventually([&] { return !is_link(); }));
  EXPECT_EQ(agent.WaitForExit(kRpcTimeout), 0);
  EXPECT_EQ(ReadFile(Path("target")), "secret");
}

TEST_F(TestAgent, KillsAGroupOnlyIfTheExecutorLeadsIt) {
  // The grandparent is the test runner, which must not be signalled unless it leads a group. So a
  // shell runs between them, in the group of the test.
  ChildProcess::Command command;
  command.argv = {"/bin/sh", "-c",
                  std::string("sh -c '\"$0\" kill-executor-group; exit $?' ") + RUNNER_TEST_AGENT +
                      "; exit $?"};
  command.directory = directory_.path();
  command.stdout_file = Path("out");
  command.stderr_file = Path("err");
  ChildProcess shells(command);
  EXPECT_EQ(shells.WaitForExit(kRpcTimeout), 65);
}

}  // namespace
}  // namespace runner
