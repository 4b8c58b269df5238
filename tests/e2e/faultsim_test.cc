// The demo of the README: simulated faults, the sample agent, reports.

#include <string>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::HasSubstr;

class FaultsimTest : public SystemTest {};

TEST_F(FaultsimTest, EveryQueuedSimulatedFaultBecomesAReport) {
  const FaultsimProcess& faultsim =
      system_->StartFaultsim({"--rate", "5", "--count", "5", "--seed", "7"});
  system_->StartIngest({"--mcp-endpoint", faultsim.endpoint()});
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
