#include "executor/shim/usage.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/unique_fd.h"
#include "tests/unit/executor/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;

class UsageTest : public ::testing::Test {
 protected:
  std::uint64_t DiskBytes() const {
    const UniqueFd fd(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DiskWalk walk(fd.Get());
    EXPECT_TRUE(walk.Continue(INT64_MAX));
    return walk.bytes();
  }
  TemporaryDirectory directory_;
};

TEST_F(UsageTest, CountsTheWholeTreeAndFollowsNoLink) {
  fs::create_directories(directory_.path() / "a/b");
  std::ofstream(directory_.path() / "a/b/file") << std::string(1 << 20, 'x');
  fs::create_symlink("/", directory_.path() / "root");
  EXPECT_GE(DiskBytes(), 1u << 20);
  EXPECT_LT(DiskBytes(), 2u << 20);
  EXPECT_EQ(DiskBytes(), DiskBytes()) << "measuring twice reads the directory twice";
}

TEST_F(UsageTest, ASparseFileTakesWhatItTakes) {
  std::ofstream(directory_.path() / "sparse") << "x";
  fs::resize_file(directory_.path() / "sparse", std::uintmax_t{1} << 33);
  EXPECT_LT(DiskBytes(), 1u << 20);
}

TEST_F(UsageTest, ATreeTooDeepToBeMeasuredIsOverEveryLimit) {
  fs::path deep = directory_.path();
  for (int i = 0; i < 140; ++i) deep /= "d";
  fs::create_directories(deep);
  EXPECT_EQ(DiskBytes(), UINT64_MAX);
}

TEST_F(UsageTest, ATreeIsMeasuredInAsManySlicesAsItTakes) {
  constexpr int kFiles = 1000;
  for (int i = 0; i < kFiles; ++i) {
    const fs::path below = directory_.path() / std::to_string(i % 7);
    fs::create_directory(below);
    std::ofstream(below / std::to_string(i)) << "x";
  }
  const UniqueFd fd(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DiskWalk walk(fd.Get());
  int slices = 1;
  std::uint64_t before = 0;
  for (; !walk.Continue(0); ++slices) {
    EXPECT_GE(walk.bytes(), before);
    before = walk.bytes();
  }
  EXPECT_GT(slices, 10) << "each is over at once";
  EXPECT_EQ(walk.bytes(), DiskBytes());
}

TEST(ResidentBytes, IsThatOfDescendantsOnly) {
  EXPECT_EQ(ResidentBytesBelow(::getpid()), 0u) << "this process has no children";
  EXPECT_GT(ResidentBytesBelow(::getppid()), 0u) << "this process is one";
}

TEST(OomKillCount, IsReadFromBothKindsOfCgroup) {
  EXPECT_EQ(ParseOomKills("low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n"), 4u);
  EXPECT_EQ(ParseOomKills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7u);
  EXPECT_EQ(ParseOomKills("oom 3\n"), 0u);
  EXPECT_EQ(ParseOomKills(""), 0u);
}

}  // namespace
}  // namespace runner::executor
