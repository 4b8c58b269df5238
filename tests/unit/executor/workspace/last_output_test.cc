#include "executor/workspace/last_output.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/domain/incident.h"
#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;

TEST(LastLine, IsTheLastVisibleLine) {
  EXPECT_EQ(LastLine(""), "");
  EXPECT_EQ(LastLine("one"), "one");
  EXPECT_EQ(LastLine("one\ntwo\n"), "two");
  EXPECT_EQ(LastLine("one\ntwo\n\n  \n\t\r\n"), "two");
  EXPECT_EQ(LastLine("\n\n"), "");
  EXPECT_EQ(LastLine("  indented \n"), "indented");
}

TEST(LastLine, ACarriageReturnEndsALine) {
  EXPECT_EQ(LastLine("10 %\r50 %\rfailed\r\n"), "failed");
}

TEST(LastLine, HasNoControlCharactersAndIsValidUtf8) {
  EXPECT_EQ(LastLine("\x1B[1;31mError:\x1B[0m no\tsuch\aPod\x7F"), "Error: no suchPod");
  EXPECT_EQ(LastLine("\x1B]0;title\x07 text"), "text");
  EXPECT_EQ(LastLine("\x1B]8;;https://x\x1B\\link\x1B]8;;\x1B\\"), "link");
  EXPECT_EQ(LastLine("a\xFF"
                     "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(LastLine("a\xE2\x80\xAE"
                     "b\xC2\x85"
                     "c"),
            "abc")
      << "neither bidi nor C1";
  EXPECT_EQ(LastLine(std::string("a\0b", 3)), "ab");
  EXPECT_EQ(LastLine("one\n\x1B[0m\x1B[K\n"), "one") << "a line of escape sequences is not visible";
  for (const char* cut : {"x\x1B", "x\x1B[", "x\x1B[3", "x\x1B]", "x\x1B]0;"}) {
    EXPECT_EQ(LastLine(cut), "x") << cut;
  }
}

TEST(LastLine, IsBounded) {
  const std::string line = LastLine(std::string(100'000, 'x'));
  EXPECT_EQ(line.size(), kMaxLastOutput);
  EXPECT_TRUE(line.ends_with("...[truncated]"));
  std::string wide;
  for (int i = 0; i < 1000; ++i) wide += "\xE2\x82\xAC";
  EXPECT_LE(LastLine(wide).size(), kMaxLastOutput);
}

class LastOutputTest : public ::testing::Test {
 protected:
  std::string Last() const { return LastOutput(directory_.fd()); }
  TemporaryDirectory directory_;
};

TEST_F(LastOutputTest, PrefersStderrToStdout) {
  EXPECT_EQ(Last(), "") << "there are no logs";
  directory_.Write("agent.stdout.log", "out\n");
  EXPECT_EQ(Last(), "out");
  directory_.Write("agent.stderr.log", "\n");
  EXPECT_EQ(Last(), "out");
  directory_.Write("agent.stderr.log", "error\n");
  EXPECT_EQ(Last(), "error");
}

TEST_F(LastOutputTest, ReadsOnlyTheEndOfALargeLog) {
  directory_.Write("agent.stderr.log", std::string(1'000'000, 'x') + "\nthe end\n");
  EXPECT_EQ(Last(), "the end");
}

TEST_F(LastOutputTest, DoesNotReadWhatReplacesALog) {
  directory_.Write("secret", "of somebody else\n");
  const fs::path log = directory_.path() / "agent.stderr.log";
  fs::create_symlink("secret", log);
  EXPECT_EQ(Last(), "");
  fs::remove(log);
  fs::create_hard_link(directory_.path() / "secret", log);
  EXPECT_EQ(Last(), "");
  fs::remove(log);
  fs::create_directory(log);
  EXPECT_EQ(Last(), "");
  fs::remove(log);
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  EXPECT_EQ(Last(), "") << "does not block";
  fs::remove(log);
  directory_.Write("agent.stderr.log", "");
  ASSERT_EQ(::truncate(log.c_str(), 1LL << 40), 0);
  EXPECT_EQ(Last(), "") << "a sparse file of a TiB";
}

}  // namespace
}  // namespace runner::executor
