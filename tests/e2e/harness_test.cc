// The tests are worth what their checks are worth: these check the checks.

#include <string>

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

TEST(ProcessTable, FindsKillsAndNamesWhatIsLeft) {
  BecomeSubreaper();
  const TempDir directory;
  ChildProcess::Command command;
  command.argv = {RUNNER_TEST_AGENT, "daemon"};
  command.directory = directory.path();
  command.stdout_file = directory.path() / "out";
  command.stderr_file = directory.path() / "err";
  ChildProcess agent(command);
  ASSERT_EQ(agent.WaitForExit(kPatience), 0);
  const auto left = ReapUntilAlone(std::chrono::milliseconds(100));
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_THAT(Describe(left), HasSubstr(RUNNER_TEST_AGENT " daemon"));
  EXPECT_TRUE(ReapUntilAlone(std::chrono::milliseconds(0)).empty());
}

TEST(Counting, NamesTheClusterThatDoesNotAddUp) {
  const std::string even =
      "# TYPE kubernetes_mcp_runner_events_received_total counter\n"
      "kubernetes_mcp_runner_events_received_total{cluster=\"a\",severity=\"error\"} 2\n"
      "kubernetes_mcp_runner_events_queued_total{cluster=\"a\"} 2\n"
      "kubernetes_mcp_runner_events_dequeued_total{cluster=\"a\"} 1\n"
      "kubernetes_mcp_runner_queue_depth{cluster=\"a\"} 1\n"
      "kubernetes_mcp_runner_incidents_leased{cluster=\"a\"} 1\n"
      "process_open_fds 7\n";
  EXPECT_EQ(ImbalanceOfIngest(MetricsText(even)), "");
  EXPECT_EQ(MetricsText(even).Sum("process_open_fds"), 7);
  const std::string odd = even + "kubernetes_mcp_runner_events_requeued_total{cluster=\"a\"} 1\n";
  EXPECT_THAT(ImbalanceOfIngest(MetricsText(odd)), HasSubstr("cluster a"));
  EXPECT_THAT(
      ImbalanceOfExecutor(MetricsText("kubernetes_mcp_runner_agents_active{cluster=\"b\"} 1\n")),
      HasSubstr("cluster b"));
  EXPECT_ANY_THROW(MetricsText("rubbish\n"));
}

TEST(LogFile, KeepsApartWhatIsNoLineOfALog) {
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
