// Runs while the processes exit one after the other, or while one of them dies.

#include <chrono>
#include <iostream>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DrainRowsTest : public SystemTest {
 protected:
  // With a kill grace of 200 ms: kill grace, containment, delivery.
  static constexpr Duration kStopBudget = 200ms + 5s + 2s;
  const Words grace_ = {"--agent-kill-grace", "200ms"};

  // An agent that ignores SIGTERM on its first attempt.
  std::string StubbornOnce() {
    return system_->ScriptAgent("[ $RUNNER_ATTEMPT -gt 1 ] || exec " + system_->TestAgent() +
                                " ignore-term\n");
  }
  static Words With(Words flags, const Words& more) {
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  }
  static void ExpectExit(ServiceProcess& service, Duration limit) {
    const auto began = std::chrono::steady_clock::now();
    const auto exit = service.WaitForExit(limit);
    ASSERT_TRUE(exit) << service.name() << " does not exit";
    EXPECT_EQ(*exit, 0) << service.name();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << service.name() << " ended after " << took.count() << " s\n";
    EXPECT_TRUE(service.log().Has("Shutdown complete"));
  }
  void AwaitDraining(ServiceProcess& service) {
    ASSERT_TRUE(Eventually([&] { return service.log().Has("Shutting down gracefully"); }));
  }
};

TEST_F(DrainRowsTest, AnInterruptedIncidentRunsAgainOnTheNextExecutor) {
  const std::string agent = StubbornOnce();
  system_->StartWithoutPeer({agent}, {}, With(grace_, {"--shutdown-timeout", "300ms"}));
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  ServiceProcess& first = system_->executor();
  first.Terminate();
  ExpectExit(first, 300ms + kStopBudget);
  const auto logged = first.log().With("Agents interrupted");
  ASSERT_THAT(logged, SizeIs(1));
  EXPECT_THAT(logged[0].at("incident_ids"), ElementsAre(id));
  EXPECT_TRUE(system_->ingest().log().Has("Incident requeued",
                                          {{"incident_id", id}, {"reason", "interrupted"}}));
  system_->StartExecutor({agent}, grace_);
  const auto incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 2u);
}

TEST_F(DrainRowsTest, IngestExitsWithinItsBudgetIfItsExecutorDies) {
  system_->StartWithoutPeer({StubbornOnce()}, {"--shutdown-timeout", "1"}, grace_);
  system_->AwaitAgentStarted(system_->Submit("web-0"));
  ServiceProcess& ingest = system_->ingest();
  ingest.Terminate();
  AwaitDraining(ingest);
  system_->executor().process().Kill();
  ExpectExit(ingest, 1s + kStopBudget + 1s);
  EXPECT_TRUE(Eventually([&] { return system_->Agents().empty(); })) << "the shim stops its agent";
}

TEST_F(DrainRowsTest, AnExecutorExitsWithinItsBudgetIfIngestDies) {
  system_->StartWithoutPeer({StubbornOnce()}, {}, With(grace_, {"--shutdown-timeout", "1"}));
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  ServiceProcess& executor = system_->executor();
  executor.Terminate();
  AwaitDraining(executor);
  system_->ingest().process().Kill();
  ExpectExit(executor, 1s + kStopBudget);
  EXPECT_TRUE(
      executor.log().Has("Agent finished", {{"incident_id", id}, {"status", "interrupted"}}));
  EXPECT_TRUE(executor.log().Has("Results not delivered", {{"results", 1}}))
      << "it waits in the spool for the next executor";
  EXPECT_THAT(system_->Agents(), IsEmpty()) << Describe(system_->Agents());
}

TEST_F(DrainRowsTest, ASidecarThatStopsAfterIngestHasNoRunsLeft) {
  const auto gate = system_->directory() / "gate";
  const std::string agent = system_->ScriptAgent(
      "[ $RUNNER_RESOURCE_NAME = quick ] || exec " + system_->TestAgent() +
      " ignore-term\nuntil [ -e " + gate.string() + " ]; do sleep 0.05; done\n");
  // A native sidecar receives SIGTERM after the other containers have exited, when little of the
  // grace is left.
  system_->StartWithoutPeer({agent}, {"--shutdown-timeout", "1", "--max-agents-per-cluster", "2"},
                            With(grace_, {"--shutdown-timeout", "500ms"}));
  const std::string quick = system_->Submit("quick");
  const std::string stubborn = system_->Submit("stubborn");
  system_->AwaitAgentStarted(quick);
  system_->AwaitAgentStarted(stubborn);
  ServiceProcess& ingest = system_->ingest();
  ingest.Terminate();
  AwaitDraining(ingest);
  WriteFile(gate, "");
  ExpectExit(ingest, 1s + kStopBudget + 1s);
  EXPECT_TRUE(
      ingest.log().Has("Incident finished", {{"incident_id", quick}, {"status", "success"}}));
  EXPECT_TRUE(ingest.log().Has("Incident requeued",
                               {{"incident_id", stubborn}, {"reason", "interrupted"}}));
  EXPECT_THAT(system_->Agents(), IsEmpty()) << "ingest has waited for both";
  ServiceProcess& executor = system_->executor();
  executor.Terminate();
  ExpectExit(executor, 500ms + 2s);
  EXPECT_FALSE(executor.log().Has("Results not delivered"));
}

}  // namespace
}  // namespace runner
