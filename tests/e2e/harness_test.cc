// Tests of the checks in the test harness.

#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>

#include "tests/support/counting.h"
#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Runs one case of harness_patient and reads its result.
class HarnessTest : public ::testing::Test {
 protected:
  struct Verdict {
    int exit_code = -1;
    std::string output;
  };
  Verdict Run(const std::string& patient) {
    BecomeSubreaper();
    ChildProcess::Command command;
    command.argv = {RUNNER_HARNESS_PATIENT, "--gtest_filter=HarnessPatient." + patient};
    command.directory = directory_.path();
    command.stdout_file = directory_.path() / "out";
    command.stderr_file = directory_.path() / "err";
    ChildProcess program(command);
    Verdict verdict;
    verdict.exit_code = program.WaitForExit(kRpcTimeout).value_or(-1);
    verdict.output = ReadFile(command.stdout_file);
    return verdict;
  }

  const TempDir directory_;
};

TEST_F(HarnessTest, PassesATestThatLeavesNoProcess) {
  const Verdict verdict = Run("LeaksNothing");
  EXPECT_EQ(verdict.exit_code, 0) << verdict.output;
  EXPECT_THAT(verdict.output, HasSubstr("[  PASSED  ] 1 test"));
}

TEST_F(HarnessTest, FailsATestThatLeavesADaemonAndKillsTheDaemon) {
  const Verdict verdict = Run("LeaksADaemonWithoutEnvironment");
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(verdict.output, HasSubstr("processes are left"));
  EXPECT_THAT(verdict.output, HasSubstr(RUNNER_TEST_AGENT " daemon left-on-purpose"));
  EXPECT_TRUE(ProcessesNaming("left-on-purpose").empty());
}

TEST_F(HarnessTest, FailsATestThatLeavesADescriptor) {
  const Verdict verdict = Run("LeaksADescriptor");
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(verdict.output, HasSubstr("descriptors are left"));
  EXPECT_THAT(verdict.output, HasSubstr("/dev/zero"));
}

TEST(ProcessTable, FindsKillsAndNamesLeftoverProcesses) {
  BecomeSubreaper();
  const TempDir directory;
  ChildProcess::Command command;
  command.argv = {RUNNER_TEST_AGENT, "daemon"};
  command.directory = directory.path();
  command.stdout_file = directory.path() / "out";
  command.stderr_file = directory.path() / "err";
  ChildProcess agent(command);
  ASSERT_EQ(agent.WaitForExit(kRpcTimeout), 0);
  const auto left = ReapUntilAlone(std::chrono::milliseconds(100));
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_THAT(Describe(left), HasSubstr(RUNNER_TEST_AGENT " daemon"));
  EXPECT_TRUE(ReapUntilAlone(std::chrono::milliseconds(0)).empty());
}

// One cluster with balanced counters.
std::string EvenScrape() {
  return "# TYPE kubernetes_mcp_runner_events_received_total counter\n"
         "kubernetes_mcp_runner_events_received_total{cluster=\"a\",severity=\"error\"} 2\n"
         "kubernetes_mcp_runner_events_queued_total{cluster=\"a\"} 2\n"
         "kubernetes_mcp_runner_events_dequeued_total{cluster=\"a\"} 1\n"
         "kubernetes_mcp_runner_queue_depth{cluster=\"a\"} 1\n"
         "kubernetes_mcp_runner_incidents_leased{cluster=\"a\"} 1\n"
         "kubernetes_mcp_runner_agents_spawned_total{cluster=\"a\"} 1\n"
         "kubernetes_mcp_runner_agents_active{cluster=\"a\"} 1\n"
         "process_open_fds 7\n";
}

TEST(Counting, AcceptsBalancedCounters) {
  EXPECT_EQ(ImbalanceOfIngest(MetricsText(EvenScrape())), "");
  EXPECT_EQ(ImbalanceOfExecutor(MetricsText(EvenScrape())), "");
  EXPECT_EQ(MetricsText(EvenScrape()).Sum("process_open_fds"), 7);
  EXPECT_ANY_THROW(MetricsText("rubbish\n"));
}

// For each series on one side of an equation: an excess of one must break every equation that
// contains it.
TEST(Counting, DetectsAnExcessInAnySeries) {
  for (const char* name :
       {"events_received_total", "events_invalid_total", "events_filtered_total",
        "circuit_breaker_events_dropped_total", "events_rejected_total", "events_requeued_total",
        "events_dequeued_total", "events_expired_total", "events_evicted_total",
        "incidents_finished_total", "incidents_leased", "leases_restored_total"}) {
    const std::string odd = EvenScrape() + "kubernetes_mcp_runner_" + name +
                            "{cluster=\"a\",reason=\"one too many\"} 1\n";
    EXPECT_THAT(ImbalanceOfIngest(MetricsText(odd)), HasSubstr("cluster a")) << name;
  }
  for (const char* name : {"agents_spawned_total", "agents_completed_total", "agents_active"}) {
    const std::string odd = EvenScrape() + "kubernetes_mcp_runner_" + name +
                            "{cluster=\"a\",status=\"one too many\"} 1\n";
    EXPECT_THAT(ImbalanceOfExecutor(MetricsText(odd)), HasSubstr("cluster a")) << name;
  }
}

TEST(LogFile, SeparatesLinesThatAreNotLogLines) {
  const TempDir directory;
  WriteFile(directory.path() / "log",
            "{\"msg\":\"a\",\"n\":1}\nforged\n{\"msg\":\"b\"}\n[1]\n{\"m");
  const LogFile log(directory.path() / "log");
  EXPECT_THAT(log.Lines(), SizeIs(2));
  EXPECT_THAT(log.OtherLines(), ::testing::ElementsAre("forged", "[1]"));
  EXPECT_TRUE(log.Has("a", {{"n", 1}}));
  EXPECT_FALSE(log.Has("a", {{"n", 2}}));
}

}  // namespace
}  // namespace runner
