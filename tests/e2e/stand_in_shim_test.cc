// An executor whose shims do what the real one does not.

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/support/child_process.h"
#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
namespace fs = std::filesystem;
using ::testing::SizeIs;

constexpr int kExitTainted = 70;

class StandInShimTest : public SystemTest {
 protected:
  // Starts an executor with the stand-in shim, as nobody if the test runs as root. Its agents wait
  // for the file Path("done").
  void Start() {
    const fs::path bin = system_->directory() / "bin";
    fs::create_directory(bin);
    fs::copy_file(RUNNER_EXECUTOR, bin / "runner-executor");
    fs::copy_file(RUNNER_SHIM, bin / "runner-shim-real");
    fs::copy_file(RUNNER_STAND_IN_SHIM, bin / "runner-shim");
    fs::permissions(bin / "runner-shim", fs::perms::set_uid, fs::perm_options::add);
    fs::permissions(system_->directory(), fs::perms::all);
    std::string command = bin / "runner-executor";
    if (::geteuid() == 0) {
      command = "setpriv --reuid=65534 --regid=65534 --clear-groups " + command;
    }
    system_->StartIngest({"--max-agents-per-cluster", "2"});
    system_->StartExecutor(
        {"/bin/sh", "-c", "until [ -e " + Path("done") + " ]; do sleep 0.02; done"},
        {"--agent-env", "TEST_GATE=" + Path("gate"), "--agent-kill-grace", "0.5"}, {},
        system_->ScriptAgent("exec " + command + " \"$@\"\n"));
    system_->AwaitAttached();
  }
  std::string Path(const std::string& name) const { return system_->directory() / name; }
  bool Tainted() {
    return Eventually(
        [&] { return system_->executor().log().Has("Agent could not be contained"); });
  }
};

class TaintTest : public StandInShimTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: for a process that its executor cannot kill";
    if (!FindProgram("setpriv")) GTEST_SKIP() << "needs setpriv(1)";
    StandInShimTest::SetUp();
  }
  // Ends the other run, which ends the executor.
  void ExpectEnd(const std::string& uncontained, const std::string& other) {
    EXPECT_FALSE(system_->executor().log().Has("Agents interrupted"));
    WriteFile(Path("done"), "");
    EXPECT_EQ(system_->executor().WaitForExit(kRpcTimeout), kExitTainted);
    EXPECT_EQ(system_->AwaitFinished(other).status(), "success");
    const auto incident = system_->AwaitFinished(uncontained);
    EXPECT_EQ(incident.status(), "failure");
    EXPECT_FALSE(incident.outcome().contained());
    EXPECT_FALSE(system_->executor().log().Has("Agents interrupted"));
  }
};

TEST_F(TaintTest, AnExecutorThatCannotContainARunExits) {
  Start();
  const std::string other = system_->Submit("other");
  system_->AwaitAgentStarted(other);
  WriteFile(Path("gate"), "");
  const std::string id = system_->Submit("uncontained");
  ASSERT_TRUE(Tainted());
  EXPECT_EQ(system_->executor().Metrics().Sum("executor_tainted"), 1);
  EXPECT_TRUE(Eventually([&] { return system_->executor().Health("/healthz").status == 503; }));
  EXPECT_THAT(system_->executor().log().With("Shutting down after an error"), SizeIs(1));
  // The first signal requests the drain that is already in progress.
  system_->executor().Terminate();
  ExpectEnd(id, other);
}

TEST_F(TaintTest, AnUncontainedRunDuringADrainInterruptsNoOther) {
  Start();
  const std::string other = system_->Submit("other");
  const std::string id = system_->Submit("uncontained");
  system_->AwaitAgentStarted(other);
  const auto leased = [&] {
    return system_->ingest().log().Has("Incident leased", {{"incident_id", id}});
  };
  ASSERT_TRUE(Eventually(leased));
  ASSERT_TRUE(Eventually([&] { return fs::exists(system_->Workspace(id)); }));
  system_->executor().Terminate();
  ASSERT_TRUE(
      Eventually([&] { return system_->executor().log().Has("Shutting down gracefully"); }));
  WriteFile(Path("gate"), "");
  ASSERT_TRUE(Tainted());
  ExpectEnd(id, other);
}

TEST_F(StandInShimTest, UnfilteredSignalsEndTheRunAndAreLoggedOnce) {
  Start();
  const auto incident = system_->AwaitFinished(system_->Submit("signaller"));
  EXPECT_EQ(incident.status(), "failure");
  EXPECT_EQ(incident.reason(), "signalled_executor");
  EXPECT_TRUE(incident.outcome().contained());
  EXPECT_THAT(system_->executor().log().With("Signal from an agent ignored"), SizeIs(1));
  EXPECT_EQ(system_->executor().Health("/healthz").status, 200);
}

TEST_F(StandInShimTest, AShimInheritsTheStandardDescriptorsAndItsSocket) {
  Start();
  WriteFile(Path("done"), "");
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("descriptors")).status(), "success");
  EXPECT_EQ(ReadFile(Path("gate")), "0 1 2 3 ");
}

}  // namespace
}  // namespace runner
