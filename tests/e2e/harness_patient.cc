// Tests that violate the rules of the harness on purpose. They are no ctests: harness_test.cc runs
// them and expects failures.

#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;

class HarnessPatient : public SystemTest {};

TEST_F(HarnessPatient, LeaksNothing) {
  system_->StartWithoutPeer({system_->TestAgent(), "exit"});
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("web-0")).status(), "success");
}

TEST_F(HarnessPatient, LeaksADaemonWithoutEnvironment) {
  ChildProcess::Command command;
  command.argv = {RUNNER_TEST_AGENT, "daemon", "left-on-purpose"};
  command.environment = {};
  command.directory = "/";
  command.stdout_file = "/dev/null";
  command.stderr_file = "/dev/null";
  ChildProcess agent(command);
  EXPECT_EQ(agent.WaitForExit(kRpcTimeout), 0);
}

TEST_F(HarnessPatient, LeaksADescriptor) {
  EXPECT_GE(::open("/dev/zero", O_RDONLY | O_CLOEXEC), 0);
}

}  // namespace
}  // namespace runner
