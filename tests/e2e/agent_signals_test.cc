// Agents that signal the executor, and an operator who does so, too.

#include <chrono>
#include <csignal>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

class AgentSignalsTest : public SystemTest, public ::testing::WithParamInterface<int> {};

TEST_P(AgentSignalsTest, Row68_TheSignalOfAnOperatorWorksWhileAgentsSignalWithoutEnd) {
  system_->StartWithoutPeer({system_->TestAgent(), "signal-executor"}, {},
                            {"--shutdown-timeout", "500ms", "--agent-kill-grace", "200ms"});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  const auto output = system_->Workspace(id) / "agent.stdout.log";
  ASSERT_TRUE(Eventually([&] { return !ReadFile(output).empty(); }));
  EXPECT_EQ(ReadFile(output), "signals sent by:\n");
  ServiceProcess& executor = system_->executor();
  EXPECT_EQ(executor.Health("/healthz").status, 200);
  executor.process().Signal(GetParam());
  EXPECT_TRUE(Eventually([&] { return executor.log().Has("Shutting down gracefully"); }, 2s));
  EXPECT_EQ(executor.WaitForExit(500ms + 200ms + 7s), 0);
  EXPECT_FALSE(executor.log().Has("Signal from an agent ignored"));
}

INSTANTIATE_TEST_SUITE_P(Operator, AgentSignalsTest, ::testing::Values(SIGTERM, SIGINT));

}  // namespace
}  // namespace runner
