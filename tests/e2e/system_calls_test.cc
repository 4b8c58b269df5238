// The system calls of a run: strace(1) of the executor, its shims and their agents.

#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/support/child_process.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class SystemCallsTest : public SystemTest {
 protected:
  void SetUp() override {
    if (!FindProgram("strace")) GTEST_SKIP() << "needs strace(1)";
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: a shim lets its own user not look into it";
    SystemTest::SetUp();
    if (system_) file_ = system_->directory() / "trace";
  }
  // Runs three incidents and stops everything.
  void Trace() {
    system_->StartIngest();
    // -D: the tracer is a grandchild, so that the executor stays our child.
    const std::string program = system_->ScriptAgent(
        "exec strace -D -f -qq -s 200 -o " + file_ +
        " -e trace=execve,clone,clone3,fork,vfork,close_range " + RUNNER_EXECUTOR + " \"$@\"\n");
    system_->StartExecutor({system_->TestAgent(), "descriptors"}, {}, {}, program);
    system_->AwaitAttached();
    for (int i = 0; i < 3; ++i) {
      const auto run = system_->AwaitFinished(system_->Submit("web-" + std::to_string(i)));
      EXPECT_EQ(run.status(), "success");
      const auto workspace = system_->Workspace(run.incident().incident_id());
      EXPECT_EQ(ReadFile(workspace / "agent.stdout.log"), "0 1 2 ");
    }
    EXPECT_EQ(system_->Stop(), "");
  }
  // Calls that contain the text.
  std::vector<std::string> Calls(const std::string& text) const {
    std::istringstream trace(ReadFile(file_));
    std::vector<std::string> found;
    for (std::string line; std::getline(trace, line);) {
      if (line.find(text) != std::string::npos) found.push_back(line);
    }
    return found;
  }

  std::string file_;
};

TEST_F(SystemCallsTest, NoProcessForksAndNoShellRuns) {
  Trace();
  EXPECT_THAT(Calls(" fork("), SizeIs(0));
  EXPECT_THAT(Calls(" vfork("), SizeIs(0));
  // A copy of the memory of a multithreaded process would be a fork.
  EXPECT_THAT(Calls(" clone("), AllOf(Not(SizeIs(0)), Each(HasSubstr("CLONE_VM"))));
  EXPECT_THAT(Calls(" clone3("), Each(HasSubstr("CLONE_VM")));
  const std::vector<std::string> executed = Calls("execve(");
  EXPECT_THAT(executed, Not(SizeIs(0)));
  EXPECT_THAT(executed, Each(Not(HasSubstr("/sh\""))));
  EXPECT_THAT(Calls("runner-shim\", ["), SizeIs(3));
  EXPECT_THAT(Calls("agent-test\", ["), SizeIs(3));
  // For each shim once before exec and once in the shim, from 4 on; for each agent once, from 3 on.
  EXPECT_THAT(Calls("close_range(4, "), SizeIs(6));
  EXPECT_THAT(Calls("close_range(3, "), SizeIs(3));
}

}  // namespace
}  // namespace runner
