#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using Output = RunFixture;

TEST_F(Output, Row45_FloodIsKeptToItsFirstAndLastPart) {
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

TEST_F(Output, LastWordsBeforeTheExitAreKept) {
  RunAgent({"arguments", "last words"});
  EXPECT_EQ(Stdout(), "last words\n");
}

TEST_F(Output, StderrIsALogOfItsOwn) {
  EXPECT_EQ(RunAgent({"no-such-mode"}).exit_code, 64);
  EXPECT_EQ(Stdout(), "");
  EXPECT_EQ(Read(Workspace() / "agent.stderr.log"),
            "runner-test-agent: no mode \"no-such-mode\"; --help lists them\n");
}

}  // namespace
}  // namespace runner::executor
