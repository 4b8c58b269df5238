// The token in a file that other programs write.

#include "common/security/bearer_token.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace runner {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;
using ::testing::StrEq;

class BearerTokenTest : public ::testing::Test {
 protected:
  BearerTokenTest() {
    std::string path = fs::temp_directory_path() / "runner-token-XXXXXX";
    directory_ = ::mkdtemp(path.data());
  }
  ~BearerTokenTest() override { fs::remove_all(directory_); }

  fs::path Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
    return directory_ / name;
  }
  // The problem of a file with this content.
  std::string ProblemWith(const std::string& text) {
    BearerToken token(Write("bad", text));
    EXPECT_EQ(token.Get(), nullptr);
    EXPECT_THAT(token.problem(), HasSubstr((directory_ / "bad").string()));
    return token.problem();
  }
  // Points `link` to another target in one step, as Kubernetes does.
  void Swap(const std::string& target, const std::string& link) {
    fs::create_symlink(target, directory_ / "new");
    fs::rename(directory_ / "new", directory_ / link);
  }

  fs::path directory_;
};

TEST_F(BearerTokenTest, SurroundingWhiteSpaceIsIgnored) {
  BearerToken token(Write("token", " \t abc.DEF-123_~+/== \r\n\n"));
  EXPECT_THAT(token.Get(), Pointee(StrEq("abc.DEF-123_~+/==")));
  EXPECT_EQ(token.problem(), "");
}

TEST_F(BearerTokenTest, AChangedFileIsReadAgain) {
  const fs::path file = Write("token", "first");
  BearerToken token(file);
  token.Get();
  Write("token", "the-second");
  EXPECT_THAT(token.Get(), Pointee(StrEq("the-second")));
}

TEST_F(BearerTokenTest, AnotherFileOfTheSameSizeAndTimeIsReadAgain) {
  const fs::path file = Write("token", "one");
  BearerToken token(file);
  token.Get();
  fs::last_write_time(Write("next", "two"), fs::last_write_time(file));
  fs::rename(directory_ / "next", file);
  EXPECT_THAT(token.Get(), Pointee(StrEq("two")));
}

TEST_F(BearerTokenTest, ASwappedLinkIsFollowed) {
  fs::create_directories(directory_ / "v1");
  fs::create_directories(directory_ / "v2");
  Write("v1/token", "one");
  Write("v2/token", "two");
  Swap("v1", "data");
  fs::create_symlink("data/token", directory_ / "token");
  BearerToken token(directory_ / "token");
  EXPECT_THAT(token.Get(), Pointee(StrEq("one")));
  Swap("v2", "data");
  EXPECT_THAT(token.Get(), Pointee(StrEq("two")));
}

TEST_F(BearerTokenTest, ReloadReadsAnUnchangedFile) {
  const fs::path file = Write("token", "one");
  BearerToken token(file);
  token.Get();
  const auto time = fs::last_write_time(file);
  Write("token", "two");
  fs::last_write_time(file, time);
  EXPECT_THAT(token.Reload(), Pointee(StrEq("two")));
}

TEST_F(BearerTokenTest, AFileThatVanishesAndReappearsIsRead) {
  const fs::path file = Write("token", "one");
  BearerToken token(file);
  token.Get();
  fs::remove(file);
  EXPECT_EQ(token.Get(), nullptr) << "an old token is not kept";
  EXPECT_THAT(token.problem(), HasSubstr("No such file"));
  Write("token", "two");
  EXPECT_THAT(token.Get(), Pointee(StrEq("two")));
  EXPECT_EQ(token.problem(), "");
}

TEST_F(BearerTokenTest, InvalidTokensAreRejectedAndNotShown) {
  EXPECT_THAT(ProblemWith(""), HasSubstr("empty"));
  EXPECT_THAT(ProblemWith(" \n\t\n"), HasSubstr("empty"));
  EXPECT_THAT(ProblemWith("secret\nX-Admin: yes\n"), Not(HasSubstr("secret")));
  EXPECT_THAT(ProblemWith(std::string("sec\0ret", 7)), HasSubstr("control"));
  EXPECT_THAT(ProblemWith("Bearer abc"), HasSubstr("blank"));
  EXPECT_THAT(ProblemWith("schl\xc3\xbcssel"), HasSubstr("non-ASCII"));
  EXPECT_THAT(ProblemWith(std::string(BearerToken::kMaxBytes + 1, 'x')), HasSubstr("64 KiB"));
}

TEST_F(BearerTokenTest, ATokenMayBeAsLargeAsTheBound) {
  BearerToken token(Write("token", std::string(BearerToken::kMaxBytes, 'x')));
  ASSERT_NE(token.Get(), nullptr);
  EXPECT_EQ(token.Get()->size(), BearerToken::kMaxBytes);
}

TEST_F(BearerTokenTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  for (const fs::path& path : {directory_ / "fifo", directory_, fs::path("/dev/zero")}) {
    BearerToken token(path);
    EXPECT_EQ(token.Get(), nullptr);
    EXPECT_THAT(token.problem(), HasSubstr("not a regular file"));
  }
}

}  // namespace
}  // namespace runner
