#include <algorithm>
#include <fstream>
#include <iostream>

#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using Output = RunFixture;

TEST_F(Output, FirstAndLastPartOfAFloodAreKept) {
  constexpr std::size_t kFlood = 50 << 20;
  options_.max_output = 1 << 20;
  const Outcome outcome = RunAgent({"flood", std::to_string(kFlood)});
  EXPECT_EQ(outcome.status, RunStatus::kSuccess);
  const std::string log = Stdout();
  EXPECT_TRUE(log.starts_with("FIRST\n"));
  EXPECT_TRUE(log.ends_with("\nLAST"));
  const std::size_t total = kFlood + 11;
  const std::size_t dropped = total - options_.max_output;
  const std::string marker = "\n[... " + std::to_string(dropped) + " bytes dropped ...]\n";
  EXPECT_NE(log.find(marker), std::string::npos);
  EXPECT_EQ(log.size(), options_.max_output + marker.size());
  EXPECT_EQ(ResultJson()["stdoutBytes"], total);
  EXPECT_EQ(ResultJson()["stdoutDroppedBytes"], dropped);
  EXPECT_EQ(supervisor_->counters().clusters().at("prod").output_dropped_bytes, dropped);
}

// The peak memory of the shim of the active run, in KiB; the agent is its child.
std::size_t PeakOfShim(pid_t agent) {
  const auto field = [](pid_t pid, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    std::size_t value = 0;
    for (std::string word; file >> word;) {
      if (word == name) file >> value;
    }
    return value;
  };
  return field(static_cast<pid_t>(field(agent, "PPid:")), "VmHWM:");
}

TEST_F(Output, MemoryOfTheShimDoesNotGrowWithTheOutput) {
  options_.max_output = 1 << 20;
  std::size_t peak = 0;
  StartAgent({"flood", std::to_string(std::size_t{2} << 30)});
  RunUntil(
      [&] {
        if (started_.contains(LeaseOf())) {
          peak = std::max(peak, PeakOfShim(started_[LeaseOf()]));
        }
        return finished_.contains(LeaseOf());
      },
      std::chrono::seconds(50));
  EXPECT_EQ(finished_[LeaseOf()].status, RunStatus::kSuccess);
  EXPECT_GT(peak, 0u);
  std::cout << "2 GiB of output, " << peak << " KiB in the shim at the most\n";
  EXPECT_LT(peak, 32u * 1024) << "half a MiB for the last part, a buffer, and the program";
}

TEST_F(Output, BinaryOutputIsKeptByteForByte) {
  RunAgent({"flood-binary", "65536"});
  const std::string log = Stdout();
  EXPECT_EQ(log.size(), 65536u + 11);
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_NE(log.find(static_cast<char>(byte)), std::string::npos) << byte;
  }
}

TEST_F(Output, AgentWithoutOutputHasAnEmptyLog) {
  EXPECT_EQ(RunAgent({"exit", "0"}).status, RunStatus::kSuccess);
  EXPECT_TRUE(std::filesystem::exists(Workspace() / "agent.stdout.log"));
  EXPECT_EQ(Stdout(), "");
}

TEST_F(Output, OutputJustBeforeTheExitIsKept) {
  RunAgent({"arguments", "last words"});
  EXPECT_EQ(Stdout(), "last words\n");
}

TEST_F(Output, StderrHasItsOwnLog) {
  EXPECT_EQ(RunAgent({"no-such-mode"}).exit_code, 64);
  EXPECT_EQ(Stdout(), "");
  EXPECT_EQ(Read(Workspace() / "agent.stderr.log"),
            "runner-test-agent: no mode \"no-such-mode\"; --help lists them\n");
}

}  // namespace
}  // namespace runner::executor
