// The executor repairs its workspace root at start and while it runs.

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::SizeIs;

class ExecutorStartTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    root_ = system_->directory() / "incidents";
    fs::create_directory(root_);
  }
  void ExpectToWork(const std::string& incident) {
    EXPECT_EQ(system_->AwaitFinished(system_->Submit(incident)).status(), "success");
  }
  std::size_t WarningsOf(const ServiceProcess& service) const {
    std::size_t warnings = 0;
    for (const auto& line : service.log().Lines()) warnings += line.at("level") == "warn";
    return warnings;
  }

  fs::path root_;
};

TEST_F(ExecutorStartTest, ASpoolThatIsAFileIsRenamed) {
  WriteFile(root_ / ".spool", "x");
  system_->StartWithoutPeer({"/bin/true"});
  ExpectToWork("web-0");
  const auto lines = system_->executor().log().With("Workspace root repaired");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0].at("changes"), Contains(".spool moved to .spool.bad-1"));
}

TEST_F(ExecutorStartTest, TheRootGetsItsPermissionsBack) {
  fs::create_directory(root_ / ".spool");
  fs::permissions(root_ / ".spool", fs::perms::none);
  fs::permissions(root_, fs::perms::none);
  system_->StartWithoutPeer({"/bin/true"});
  ExpectToWork("web-0");
  EXPECT_THAT(system_->executor().log().With("Workspace root repaired"), SizeIs(1));
}

TEST_F(ExecutorStartTest, ARootDamagedByAnAgentIsRepairedForTheNextRun) {
  const std::string root = root_.string();
  system_->StartWithoutPeer(
      {system_->ScriptAgent("[ $RUNNER_RESOURCE_NAME = last ] && exit 0\nrm -r " + root +
                            "/.spool\n: >" + root + "/.spool\nchmod 0 " + root + "\n")});
  // The result of that run cannot be written and is not checked.
  system_->AwaitFinished(system_->Submit("spoiler"));
  ExpectToWork("last");
  EXPECT_THAT(system_->executor().log().With("Workspace root repaired"), SizeIs(1));
}

TEST_F(ExecutorStartTest, TenThousandUnusableSpoolEntriesAreLoggedOnce) {
  fs::create_directory(root_ / ".spool");
  constexpr int kEntries = 10'000;
  for (int i = 0; i < kEntries; ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "018f2d3c-7a10-7c4e-9b1e-0000%08d.1.json", i);
    WriteFile(root_ / ".spool" / name, "garbage");
  }
  system_->StartIngest();
  ServiceProcess& executor = system_->StartExecutor({"/bin/true"});
  system_->AwaitAttached();
  ExpectToWork("web-0");
  const auto lines = executor.log().With("Unusable spool entries moved aside");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].at("entries"), kEntries);
  EXPECT_LT(WarningsOf(executor), 10u);
  executor.Terminate();
  executor.WaitForExit(kRpcTimeout);
  ServiceProcess& next = system_->StartExecutor({"/bin/true"});
  system_->AwaitAttached();
  EXPECT_FALSE(next.log().Has("Unusable spool entries moved aside"));
}

}  // namespace
}  // namespace runner
