// Every order in which the processes may exit.

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
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class DrainTest : public SystemTest {
 protected:
  // An agent that runs until Release().
  std::string GatedAgent() {
    return system_->ScriptAgent("until [ -e " + Gate() + " ]; do sleep 0.05; done\n");
  }
  void Release() { WriteFile(Gate(), ""); }
  std::string Gate() const { return system_->directory() / "gate"; }

  static void ExpectExit(ServiceProcess& service, Duration limit = kRpcTimeout) {
    const auto exit = service.WaitForExit(limit);
    ASSERT_TRUE(exit) << service.name() << " does not exit";
    EXPECT_EQ(*exit, 0) << service.name();
  }
  static json LastWords(ServiceProcess& service) {
    const auto lines = service.log().With("Shutdown complete");
    return lines.size() == 1 ? lines[0] : json("expected one line");
  }
  static void ExpectShuttingDown(ServiceProcess& service) {
    ASSERT_TRUE(Eventually([&] { return service.Health("/healthz").status == 503; }));
    EXPECT_THAT(service.Health("/healthz").body, HasSubstr("Shutting down"));
    EXPECT_EQ(service.Health("/readyz").status, 503);
    EXPECT_THAT(service.Health("/readyz").body, HasSubstr("Shutting down"));
  }
  void ExpectWorks(const std::string& name) {
    EXPECT_EQ(system_->AwaitFinished(system_->Submit(name)).status(), "success");
  }
  bool Attached() { return system_->executor().Health("/readyz").status == 200; }
};

TEST_F(DrainTest, BothProgramsWaitForARunningAgentAndItsResult) {
  system_->StartWithoutPeer({GatedAgent()});
  const std::string id = system_->Submit("web-0");
  const std::string waiting = system_->Submit("web-1");
  system_->AwaitAgentStarted(id);
  ServiceProcess& ingest = system_->ingest();
  ServiceProcess& executor = system_->executor();
  ingest.Terminate();
  executor.Terminate();
  ExpectShuttingDown(ingest);
  ExpectShuttingDown(executor);
  EXPECT_TRUE(ingest.log().Has("Shutting down gracefully",
                               {{"signal", "SIGTERM"}, {"in_flight_agents", 1}}));
  EXPECT_TRUE(executor.log().Has("Shutting down gracefully",
                                 {{"signal", "SIGTERM"}, {"in_flight_agents", 1}}));
  Release();
  ExpectExit(executor);
  ExpectExit(ingest);
  EXPECT_TRUE(ingest.log().Has("Incident finished", {{"incident_id", id}, {"status", "success"}}));
  EXPECT_FALSE(ingest.log().Has("Incident leased", {{"incident_id", waiting}}));
  EXPECT_EQ(LastWords(ingest).at("agents_completed"), 1);
  EXPECT_EQ(LastWords(ingest).at("agents_interrupted"), 0);
  EXPECT_EQ(LastWords(executor).at("agents_completed"), 1);
  EXPECT_FALSE(executor.log().Has("Agents interrupted"));
}

TEST_F(DrainTest, AnAgentThatExceedsTheTimeoutIsInterruptedWithinTheBudget) {
  const Words timeout = {"--shutdown-timeout", "1"};
  system_->StartWithoutPeer({system_->TestAgent(), "ignore-term"}, timeout,
                            {"--shutdown-timeout", "1", "--agent-kill-grace", "500ms"});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  ServiceProcess& ingest = system_->ingest();
  ServiceProcess& executor = system_->executor();
  ingest.Terminate();
  executor.Terminate();
  // Timeout, kill grace, containment and delivery.
  ExpectExit(executor, 1s + 500ms + 7s);
  ExpectExit(ingest, 8s);
  const auto lines = executor.log().With("Agents interrupted");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0].at("incident_ids"), ElementsAre(id));
  EXPECT_TRUE(
      executor.log().Has("Agent finished", {{"incident_id", id}, {"status", "interrupted"}}));
  EXPECT_EQ(LastWords(executor).at("agents_interrupted"), 1);
  EXPECT_EQ(LastWords(ingest).at("agents_interrupted"), 1);
  EXPECT_TRUE(
      ingest.log().Has("Incident requeued", {{"incident_id", id}, {"reason", "interrupted"}}));
  EXPECT_TRUE(system_->Agents().empty()) << Describe(system_->Agents());
}

TEST_F(DrainTest, ASecondSignalDoesNotWaitForTheTimeout) {
  system_->StartWithoutPeer({system_->TestAgent(), "obey-term"}, {}, {"--shutdown-timeout", "60"});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  ServiceProcess& executor = system_->executor();
  executor.Terminate();
  ExpectShuttingDown(executor);
  executor.process().Signal(SIGINT);
  ExpectExit(executor);
  EXPECT_TRUE(executor.log().Has("Agents interrupted"));
}

TEST_F(DrainTest, IdleProcessesExitAtOnce) {
  system_->StartWithoutPeer({system_->TestAgent(), "exit"});
  for (ServiceProcess* service : system_->services()) {
    const auto began = std::chrono::steady_clock::now();
    service->Terminate();
    ExpectExit(*service, 2s);
    const auto took = std::chrono::steady_clock::now() - began;
    std::cout << service->name() << " ended after "
              << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
    EXPECT_EQ(LastWords(*service).at("agents_completed"), 0);
  }
}

TEST_F(DrainTest, AnExecutorWithoutIngestExitsAtOnce) {
  ServiceProcess& executor = system_->StartExecutor({system_->TestAgent(), "exit"});
  EXPECT_EQ(executor.Health("/readyz").status, 503);
  EXPECT_THAT(executor.Health("/readyz").body, HasSubstr("not attached to ingest"));
  EXPECT_EQ(executor.Health("/healthz").status, 200);
  executor.Terminate();
  ExpectExit(executor, 2s);
}

TEST_F(DrainTest, AnExecutorReattachesToTheNextIngest) {
  system_->StartWithoutPeer({system_->TestAgent(), "exit"});
  ExpectWorks("web-0");
  system_->ingest().process().Kill();
  ASSERT_TRUE(Eventually([&] { return !Attached(); }));
  EXPECT_EQ(system_->executor().Health("/healthz").status, 200);
  system_->StartIngest();
  system_->AwaitAttached();
  ExpectWorks("web-1");
}

TEST_F(DrainTest, ARestartOfIngestDoesNotEndItsExecutor) {
  system_->StartWithoutPeer({GatedAgent()});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  ServiceProcess& ingest = system_->ingest();
  ingest.Terminate();
  ExpectShuttingDown(ingest);
  EXPECT_EQ(system_->executor().Health("/healthz").status, 200);
  Release();
  ExpectExit(ingest);
  EXPECT_TRUE(ingest.log().Has("Incident finished", {{"incident_id", id}, {"status", "success"}}));
  ASSERT_TRUE(Eventually([&] { return !Attached(); }));
  EXPECT_TRUE(system_->executor().process().Running());
  system_->StartIngest();
  system_->AwaitAttached();
  ExpectWorks("web-1");
}

TEST_F(DrainTest, AnotherExecutorReplacesADrainedOne) {
  const std::string agent = GatedAgent();
  system_->StartWithoutPeer({agent});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  const std::string waiting = system_->Submit("web-1");
  ServiceProcess& first = system_->executor();
  first.Terminate();
  ExpectShuttingDown(first);
  Release();
  ExpectExit(first);
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  EXPECT_EQ(system_->ingest().Health("/healthz").status, 200);
  EXPECT_EQ(system_->Admin().Status().incidents_queued(), 1u);
  system_->StartExecutor({agent});
  EXPECT_EQ(system_->AwaitFinished(waiting).status(), "success");
}

TEST_F(DrainTest, AnExecutorThatStartsBeforeIngestAttachesToIt) {
  system_->StartExecutor({system_->TestAgent(), "exit"});
  ASSERT_TRUE(Eventually(
      [&] { return system_->executor().log().Has("Not attached to ingest, retrying"); }));
  system_->StartIngest();
  system_->AwaitAttached();
  ExpectWorks("web-0");
}

// Prefix of agents whose first attempt runs until it is killed.
constexpr const char* kSecondTime = "[ \"$RUNNER_ATTEMPT\" -gt 1 ] && exit 0\n";

TEST_F(DrainTest, TheAgentOfAKilledExecutorIsKilledAndItsIncidentRunsAgain) {
  const std::string agent =
      system_->ScriptAgent(kSecondTime + ("exec " + system_->TestAgent() + " ignore-term\n"));
  system_->StartWithoutPeer({agent}, {}, {"--agent-kill-grace", "500ms"});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  ASSERT_FALSE(system_->Agents().empty());
  system_->executor().process().Kill();
  EXPECT_TRUE(Eventually([&] { return system_->Agents().empty(); }, 500ms + 1s))
      << Describe(system_->Agents());

  system_->StartExecutor({agent});
  const auto incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 2u);
  EXPECT_TRUE(system_->ingest().log().Has("Incident requeued", {{"incident_id", id}}));
  // The workspace of the first attempt is kept.
  EXPECT_TRUE(std::filesystem::exists(system_->Workspace(id + ".1") / "incident.json"));
}

TEST_F(DrainTest, AnotherExecutorRunsTheIncidentAfterTheLeaseExpires) {
  const std::string agent =
      system_->ScriptAgent(kSecondTime + (system_->TestAgent() + " daemon\nexec sleep 30\n"));
  system_->StartWithoutPeer({agent}, {"--lease-ttl", "1"}, {"--agent-kill-grace", "500ms"});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  system_->StartExecutor({agent}, {"--executor-id", "other", "--workspace-root",
                                   (system_->directory() / "other").string()});
  system_->AwaitAttached();
  system_->services().front()->process().Kill();
  const auto incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.executor_id(), "other");
  EXPECT_EQ(system_->ingest().Metrics().Sum("leases_expired_total"), 1);
  EXPECT_TRUE(Eventually([&] { return system_->Agents().empty(); })) << Describe(system_->Agents());
}

}  // namespace
}  // namespace runner
