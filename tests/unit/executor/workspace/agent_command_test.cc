#include "executor/workspace/agent_command.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

using Words = std::vector<std::string>;

Words Split(std::string_view line) {
  const auto result = SplitCommand(line);
  const Words* const words = std::get_if<Words>(&result);
  return words != nullptr ? *words : Words{"error: " + std::get<CommandError>(result).message};
}

bool Fails(std::string_view line) {
  return std::holds_alternative<CommandError>(SplitCommand(line));
}

TEST(SplitCommand, BlanksSeparateWords) {
  EXPECT_EQ(Split("  claude\t-p \n x "), (Words{"claude", "-p", "x"}));
}

TEST(SplitCommand, QuotesKeepBlanksAndEmptyWords) {
  EXPECT_EQ(Split(R"(a 'b c' "d e" '' "")"), (Words{"a", "b c", "d e", "", ""}));
}

TEST(SplitCommand, PartsWithoutBlanksBetweenAreOneWord) {
  EXPECT_EQ(Split(R"(a'b'"c"\ d)"), (Words{"abc d"}));
}

TEST(SplitCommand, BackslashInDoubleQuotesEscapesLikeAShell) {
  EXPECT_EQ(Split(R"("\$ \` \" \\ \n")"), (Words{R"($ ` " \ \n)"}));
}

TEST(SplitCommand, BackslashInSingleQuotesIsOrdinary) {
  EXPECT_EQ(Split(R"('a\b')"), (Words{R"(a\b)"}));
}

TEST(SplitCommand, BackslashNewlineIsRemoved) {
  EXPECT_EQ(Split("a\\\nb \"c\\\nd\""), (Words{"ab", "cd"}));
}

TEST(SplitCommand, NothingIsExpanded) {
  EXPECT_EQ(Split("$HOME `id` $(id) * ~ # ; | &"),
            (Words{"$HOME", "`id`", "$(id)", "*", "~", "#", ";", "|", "&"}));
}

TEST(SplitCommand, InvalidCommandsAreRejected) {
  for (const std::string_view line : {"", "  ", "'a", "\"a", "a\\", "\"a\\"}) {
    EXPECT_TRUE(Fails(line)) << line;
  }
  EXPECT_TRUE(Fails(std::string_view("a\0b", 3)));
}

class ResolveProgramTest : public ::testing::Test {
 protected:
  std::string Resolve(const std::string& name, std::string_view path = "") {
    const auto result = ResolveProgram(name, path);
    const auto* const found = std::get_if<std::string>(&result);
    return found != nullptr ? *found : "error: " + std::get<CommandError>(result).message;
  }
  TemporaryDirectory directory_;
};

TEST_F(ResolveProgramTest, FirstExecutableOnThePathIsTaken) {
  std::filesystem::create_directories(directory_.path() / "one" / "agent");
  std::filesystem::create_directory(directory_.path() / "two");
  directory_.Write("two/agent", "#!/bin/sh\n");
  const std::string path = directory_.path().string() + "/none:" + directory_.path().string() +
                           "/one:" + directory_.path().string() + "/two";
  EXPECT_TRUE(Resolve("agent", path).starts_with("error: ")) << "not executable yet";
  ::chmod((directory_.path() / "two/agent").c_str(), 0755);
  EXPECT_EQ(Resolve("agent", path), directory_.path() / "two/agent");
}

TEST_F(ResolveProgramTest, NameWithASlashIsNotSearchedAndMadeAbsolute) {
  EXPECT_EQ(Resolve("/bin/sh"), "/bin/sh");
  EXPECT_TRUE(Resolve("../../../../../../../../bin/sh").starts_with("/"));
}

TEST_F(ResolveProgramTest, ErrorsNameTheProgram) {
  EXPECT_EQ(Resolve("no-such-agent", "/bin"), "error: program no-such-agent not found on PATH");
  EXPECT_EQ(Resolve("/no/such"), "error: cannot execute /no/such: No such file or directory");
  EXPECT_EQ(Resolve("/bin/"), "error: cannot execute /bin/: Is a directory");
}

}  // namespace
}  // namespace runner::executor
