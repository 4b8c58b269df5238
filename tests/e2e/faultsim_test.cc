// The demonstration of the README: simulated faults, the sample agent, reports.

#include <string>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::HasSubstr;

class FaultsimTest : public SystemTest {
 protected:
  // Starts the simulator; its endpoint.
  std::string StartFaultsim(const Words& flags) {
    ChildProcess::Command command;
    command.argv = {RUNNER_FAULTSIM, "--listen", "127.0.0.1:0"};
    command.argv.insert(command.argv.end(), flags.begin(), flags.end());
    command.directory = system_->directory();
    command.stdout_file = system_->directory() / "faultsim.out";
    command.stderr_file = system_->directory() / "faultsim.log";
    faultsim_ = std::make_unique<ChildProcess>(command);
    std::string line;
    EXPECT_TRUE(Eventually(
        [&] { return (line = ReadFile(command.stdout_file)).find('\n') != std::string::npos; }));
    return line.substr(line.find("http"), line.find('\n') - line.find("http"));
  }
  void TearDown() override {
    if (faultsim_) {
      faultsim_->Terminate();
      EXPECT_EQ(faultsim_->WaitForExit(kPatience), 0);
      faultsim_.reset();
    }
    SystemTest::TearDown();
  }

  std::unique_ptr<ChildProcess> faultsim_;
};

TEST_F(FaultsimTest, EverySimulatedFaultThatCountsBecomesAReport) {
  const std::string endpoint = StartFaultsim({"--rate", "5", "--count", "5", "--seed", "7"});
  system_->StartIngest({"--mcp-endpoint", endpoint});
  system_->StartExecutor({RUNNER_SAMPLE_AGENT}, {"--report-file", "output/investigation.md"});
  const auto count = [this](const char* name) { return system_->ingest().Metrics().Sum(name); };
  ASSERT_TRUE(Eventually([&] { return count("events_received_total") == 5; }));
  EXPECT_EQ(count("events_queued_total") + count("events_filtered_total"), 5);
  ASSERT_GE(count("events_queued_total"), 1);
  const auto finished =
      system_->AwaitFinished(static_cast<std::size_t>(count("events_queued_total")));
  for (const auto& listed : finished) {
    const std::string id = listed.incident().incident_id();
    v1::IncidentStatus incident;
    ASSERT_TRUE(system_->Admin().Get(id, &incident).ok());
    EXPECT_EQ(incident.status(), "success") << incident.reason();
    EXPECT_THAT(incident.outcome().report(), HasSubstr(incident.incident().resource().name()));
    EXPECT_EQ(ReadFile(system_->Workspace(id) / "output" / "investigation.md"),
              incident.outcome().report());
  }
}

}  // namespace
}  // namespace runner
