// Whatever an agent does, it ends in time and nothing of it stays. That no process is left is also
// proven when each test ends.

#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::SizeIs;

class ContainmentTest : public SystemTest {
 protected:
  v1::IncidentStatus Run(const Words& agent, const Words& flags = {}) {
    system_->StartWithoutPeer(agent, {}, flags);
    return system_->AwaitFinished(system_->Submit("web-0"));
  }
  void ExpectNothingLeft() {
    EXPECT_TRUE(system_->Agents().empty()) << Describe(system_->Agents());
  }
  void ExpectTimeout(const v1::IncidentStatus& incident) {
    EXPECT_EQ(incident.status(), "timeout") << incident.reason();
    EXPECT_TRUE(incident.outcome().contained());
    const std::string id = incident.incident().incident_id();
    const auto lines =
        system_->executor().log().With("Agent execution timeout", {{"incident_id", id}});
    ASSERT_THAT(lines, SizeIs(1));
    EXPECT_EQ(lines[0].at("level"), "warn");
    EXPECT_EQ(lines[0].at("cluster"), System::kCluster);
    EXPECT_EQ(lines[0].at("timeout_threshold"), 0.5);
    EXPECT_GE(lines[0].at("duration"), 0.5);
    const MetricsText scrape = system_->executor().Metrics();
    EXPECT_EQ(scrape.Sum("agents_timeout_total"), 1);
    EXPECT_EQ(scrape.Sum("agents_completed_total", {{"status", "timeout"}}), 1);
    ExpectNothingLeft();
  }
};

const Words kShort = {"--agent-timeout", "500ms", "--agent-kill-grace", "300ms"};

TEST_F(ContainmentTest, AnAgentThatSleepsIsStoppedAtTheTimeout) {
  ExpectTimeout(Run({system_->TestAgent(), "sleep"}, kShort));
}

TEST_F(ContainmentTest, AnAgentThatIgnoresSigtermIsKilledAfterTheGrace) {
  const auto incident = Run({system_->TestAgent(), "ignore-term"}, kShort);
  ExpectTimeout(incident);
  EXPECT_EQ(incident.outcome().signal(), SIGKILL);
}

TEST_F(ContainmentTest, AnAgentThatStopsItselfIsKilled) {
  ExpectTimeout(Run({system_->TestAgent(), "stop-itself"}, kShort));
}

TEST_F(ContainmentTest, TheTimeoutTakesTheWholeTree) {
  const std::string agent = system_->TestAgent();
  // A sibling in a session of its own, a daemon, and a child that ignores SIGTERM.
  ExpectTimeout(Run({system_->ScriptAgent(agent + " setsid-child\n" + agent + " daemon\n" + agent +
                                          " ignore-term &\nsleep 30\n")},
                    kShort));
}

TEST_F(ContainmentTest, WhatAnAgentLeavesInASessionOfItsOwnIsKilled) {
  const auto incident = Run({system_->TestAgent(), "setsid-child"});
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  EXPECT_EQ(incident.outcome().orphans_killed(), 1u);
  EXPECT_EQ(system_->executor().Metrics().Sum("agent_orphans_killed_total"), 1);
  ExpectNothingLeft();
}

TEST_F(ContainmentTest, ADaemonThatAnAgentLeavesIsKilled) {
  const auto incident = Run({system_->TestAgent(), "daemon"});
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  EXPECT_EQ(incident.outcome().orphans_killed(), 1u);
  ExpectNothingLeft();
}

TEST_F(ContainmentTest, ADaemonThatHoldsTheOutputIsKilledAndNotWaitedFor) {
  const auto incident = Run({system_->TestAgent(), "stdout-holder"}, {"--agent-timeout", "20"});
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  ExpectNothingLeft();
}

TEST_F(ContainmentTest, AnAgentThatKillsItsSupervisorLeavesNothing) {
  const auto incident = Run({system_->TestAgent(), "kill-shim"});
  EXPECT_EQ(incident.status(), "failure");
  EXPECT_TRUE(incident.outcome().contained());
  ExpectNothingLeft();
  // And the executor goes on.
  const auto next = system_->AwaitFinished(system_->Submit("web-1"));
  EXPECT_EQ(next.status(), "failure");
}

}  // namespace
}  // namespace runner
