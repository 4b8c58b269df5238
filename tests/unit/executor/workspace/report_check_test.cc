#include "executor/workspace/report_check.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/open_beneath.h"
#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;

class ReportCheck : public ::testing::Test {
 protected:
  ReportCheck() { fs::create_directory(directory_.path() / "output"); }
  Report Check(const std::string& path = "output/report.md") const {
    return CheckReport(directory_.fd(), path, 100);
  }
  fs::path File() const { return directory_.path() / "output/report.md"; }
  TemporaryDirectory directory_;
};

TEST_F(ReportCheck, ValidReportIsRead) {
  directory_.Write("output/report.md", std::string(100, 'x'));
  const Report report = Check();
  EXPECT_EQ(report.verdict, ReportVerdict::kGood);
  EXPECT_EQ(report.bytes, 100u);
  EXPECT_EQ(report.excerpt, std::string(100, 'x'));
  EXPECT_FALSE(report.truncated);
}

TEST_F(ReportCheck, ReportThatIsTooSmallIsStillRead) {
  directory_.Write("output/report.md", "short");
  const Report report = Check();
  EXPECT_EQ(report.verdict, ReportVerdict::kTooSmall);
  EXPECT_EQ(report.excerpt, "short");
}

TEST_F(ReportCheck, AbsentReportIsMissing) {
  EXPECT_EQ(Check().verdict, ReportVerdict::kMissing);
  EXPECT_EQ(Check("nowhere/report.md").verdict, ReportVerdict::kMissing);
}

TEST_F(ReportCheck, FifoDoesNotBlock) {
  ASSERT_EQ(::mkfifo(File().c_str(), 0600), 0);
  EXPECT_EQ(Check().verdict, ReportVerdict::kInvalid);
}

TEST_F(ReportCheck, DirectoryIsInvalid) {
  fs::create_directory(File());
  EXPECT_EQ(Check().verdict, ReportVerdict::kInvalid);
}

TEST_F(ReportCheck, SymbolicLinkIsInvalid) {
  directory_.Write("target", std::string(200, 'x'));
  fs::create_symlink("../target", File());
  EXPECT_EQ(Check().verdict, ReportVerdict::kInvalid);
}

TEST_F(ReportCheck, SymbolicLinkInThePathIsInvalid) {
  directory_.Write("output/report.md", std::string(200, 'x'));
  fs::create_symlink("output", directory_.path() / "link");
  EXPECT_EQ(Check("link/report.md").verdict, ReportVerdict::kInvalid);
}

TEST_F(ReportCheck, HardLinkIsInvalid) {
  directory_.Write("target", std::string(200, 'x'));
  fs::create_hard_link(directory_.path() / "target", File());
  EXPECT_EQ(Check().verdict, ReportVerdict::kInvalid);
}

TEST_F(ReportCheck, PathOutOfTheWorkspaceIsInvalid) {
  EXPECT_EQ(Check("/etc/passwd").verdict, ReportVerdict::kInvalid);
  EXPECT_EQ(Check("../" + directory_.path().filename().string() + "/x").verdict,
            ReportVerdict::kInvalid);
}

TEST_F(ReportCheck, LargeReportIsTruncatedBetweenCharacters) {
  directory_.Write(
      "output/report.md", "x" + [] {
        std::string euros;
        for (int i = 0; i < 100'000; ++i) euros += "\xE2\x82\xAC";
        return euros;
      }());
  const Report report = Check();
  EXPECT_EQ(report.bytes, 300'001u);
  EXPECT_EQ(report.excerpt.size(), 1 + (kReportExcerptBytes - 1) / 3 * 3);
  EXPECT_TRUE(report.excerpt.ends_with("\xE2\x82\xAC"));
  EXPECT_TRUE(report.truncated);
}

TEST_F(ReportCheck, ReportLongerThanTheExcerptIsTruncated) {
  for (const std::uint64_t more : {0, 1, 3, 4, 5}) {
    directory_.Write("output/report.md", std::string(kReportExcerptBytes + more, 'x'));
    const Report report = Check();
    EXPECT_EQ(report.truncated, more != 0) << more;
    EXPECT_EQ(report.bytes, kReportExcerptBytes + more);
    EXPECT_EQ(report.excerpt.size(), kReportExcerptBytes);
  }
  directory_.Write("output/report.md", std::string(30'000, '\xFF'));
  EXPECT_TRUE(Check().truncated) << "as valid text it is three times as long";
}

TEST_F(ReportCheck, BinaryReportBecomesValidText) {
  directory_.Write("output/report.md",
                   "a\xFF"
                   "b");
  EXPECT_EQ(Check().excerpt,
            "a\xEF\xBF\xBD"
            "b");
}

TEST_F(ReportCheck, FallbackRejectsTheSamePathsAsOpenat2) {
  directory_.Write("output/report.md", "x");
  fs::create_symlink("output", directory_.path() / "link");
  fs::create_symlink("output/report.md", directory_.path() / "file");
  const auto opens = [this](const std::string& path) {
    const bool by_kernel = static_cast<bool>(OpenBeneath(directory_.fd(), path, O_RDONLY).fd);
    const bool by_hand =
        static_cast<bool>(OpenBeneathByComponents(directory_.fd(), path, O_RDONLY).fd);
    EXPECT_EQ(by_kernel, by_hand) << path;
    return by_hand;
  };
  EXPECT_TRUE(opens("output/report.md"));
  EXPECT_TRUE(opens("output//report.md"));
  EXPECT_TRUE(opens("./output/./report.md"));
  for (const char* path : {"link/report.md", "file", "/etc/passwd", "output/../../x", "", "none"}) {
    EXPECT_FALSE(opens(path)) << path;
  }
}

}  // namespace
}  // namespace runner::executor
