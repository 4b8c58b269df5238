#include "common/observability/process_metrics.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/observability/metrics.h"
#include "tests/support/fake_clock.h"

namespace runner {
namespace {

double ValueOf(const std::string& text, const std::string& series) {
  const std::size_t at = text.find('\n' + series + ' ');
  EXPECT_NE(at, std::string::npos) << series;
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

TEST(ProcessMetricsTest, ShowsTheStandardMetricsOfThisProcess) {
  const std::string text = MetricsText(ProcessMetrics().Collect());
  EXPECT_GE(ValueOf(text, "process_cpu_seconds_total"), 0);
  EXPECT_GE(ValueOf(text, "process_open_fds"), 3);
  EXPECT_GE(ValueOf(text, "process_max_fds"), ValueOf(text, "process_open_fds"));
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 100'000);
  EXPECT_GT(ValueOf(text, "process_virtual_memory_bytes"),
            ValueOf(text, "process_resident_memory_bytes"));
  EXPECT_GT(ValueOf(text, "process_virtual_memory_max_bytes"), 0);
  EXPECT_EQ(ValueOf(text, "process_threads"), 1);
  const double age =
      ToUnixSeconds(std::chrono::system_clock::now()) - ValueOf(text, "process_start_time_seconds");
  EXPECT_GT(age, -5);
  EXPECT_LT(age, 3600);
}

TEST(ProcessMetricsTest, ShowsVersionAndUptime) {
  FakeClock clock;
  const ProgramMetrics program("ingest", clock, Logger());
  clock.Advance(std::chrono::milliseconds(1500));
  const std::string text = MetricsText(program.Collect());
  EXPECT_THAT(
      text, testing::HasSubstr("kubernetes_mcp_runner_build_info{component=\"ingest\",version=\""));
  EXPECT_EQ(ValueOf(text, "kubernetes_mcp_runner_up"), 1);
  EXPECT_EQ(ValueOf(text, "kubernetes_mcp_runner_uptime_seconds"), 1.5);
  EXPECT_EQ(ValueOf(text, "kubernetes_mcp_runner_log_lines_dropped_total"), 0);
}

}  // namespace
}  // namespace runner
