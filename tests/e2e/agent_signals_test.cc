// Agents that send signals to the executor, while an operator signals it as well.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "tests/support/child_process.h"
#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

class AgentSignalsTest : public SystemTest, public ::testing::WithParamInterface<int> {};

TEST_P(AgentSignalsTest, TheSignalOfAnOperatorWorksWhileAgentsSendSignals) {
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

class ExecutorAccessTest : public SystemTest {};

TEST_F(ExecutorAccessTest, AnAgentOfTheSameUserCannotReadTheMemoryOfItsExecutor) {
  // Root can read every process.
  std::string command = RUNNER_EXECUTOR;
  if (::geteuid() == 0) {
    if (!FindProgram("setpriv")) GTEST_SKIP() << "needs setpriv(1)";
    const std::filesystem::path programs = std::filesystem::path(RUNNER_EXECUTOR).parent_path();
    for (const char* name : {"runner-executor", "runner-shim"}) {
      std::filesystem::copy_file(programs / name, system_->directory() / name);
    }
    std::filesystem::permissions(system_->directory(), std::filesystem::perms::all);
    command =
        "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "
        "--bounding-set=-all " +
        (system_->directory() / "runner-executor").string();
  }
  const std::string agent = system_->TestAgent();
  system_->StartIngest();
  system_->StartExecutor({agent, "look-into-executor"}, {}, {},
                         system_->ScriptAgent("exec " + command + " \"$@\"\n"));
  system_->AwaitAttached();
  const std::string id = system_->Submit("web-0");
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  EXPECT_EQ(ReadFile(system_->Workspace(id) / "agent.stdout.log"), "looked into by:\n");
}

}  // namespace
}  // namespace runner
