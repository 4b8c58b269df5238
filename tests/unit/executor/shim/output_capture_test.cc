#include "executor/shim/output_capture.h"

#include <cerrno>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

class Capture : public ::testing::Test {
 protected:
  struct Captured {
    std::string file;
    StreamCount count;
    int error;
  };
  // Feeds `text` in pieces of `piece` bytes.
  Captured Run(const std::string& text, std::uint64_t limit, std::size_t piece) {
    const std::string name = "log" + std::to_string(++files_);
    OutputCapture capture(directory_.fd(), name.c_str(), limit);
    for (std::size_t at = 0; at < text.size(); at += piece) {
      const std::string part = text.substr(at, piece);
      capture.Append(part.data(), part.size());
    }
    capture.Finish();
    return {directory_.Read(name), capture.Count(), capture.error()};
  }
  static std::string AllBytes(std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 7 % 256);
    return bytes;
  }

  TemporaryDirectory directory_;
  int files_ = 0;
};

TEST_F(Capture, OutputThatFitsIsKeptInPiecesOfAnySize) {
  for (const std::size_t size : {0u, 1u, 49u, 50u, 51u, 99u, 100u}) {
    for (const std::size_t piece : {1u, 7u, 1000u}) {
      const std::string text = AllBytes(size);
      const Captured captured = Run(text, 100, piece);
      EXPECT_EQ(captured.file, text) << size << " by " << piece;
      EXPECT_EQ(captured.count.bytes, size);
      EXPECT_EQ(captured.count.dropped_bytes, 0u);
    }
  }
}

TEST_F(Capture, FirstAndLastPartAreKeptAndTheMiddleIsCounted) {
  for (const std::size_t size : {101u, 102u, 150u, 151u, 1000u, 12345u}) {
    for (const std::size_t piece : {1u, 7u, 50u, 64u, 100'000u}) {
      const std::string text = AllBytes(size);
      const Captured captured = Run(text, 100, piece);
      const std::string marker = "\n[... " + std::to_string(size - 100) + " bytes dropped ...]\n";
      EXPECT_EQ(captured.file, text.substr(0, 50) + marker + text.substr(size - 50))
          << size << " by " << piece;
      EXPECT_EQ(captured.count.bytes, size);
      EXPECT_EQ(captured.count.dropped_bytes, size - 100);
    }
  }
}

TEST_F(Capture, SmallLimitsAreKept) {
  EXPECT_EQ(Run("abc", 1, 1).file, "\n[... 2 bytes dropped ...]\nc");
  EXPECT_EQ(Run("abc", 2, 3).file, "a\n[... 1 bytes dropped ...]\nc");
  EXPECT_EQ(Run("abc", 0, 3).file, "\n[... 3 bytes dropped ...]\n");
}

TEST_F(Capture, LogIsPrivate) {
  Run("x", 10, 1);
  EXPECT_EQ(std::filesystem::status(directory_.path() / "log1").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(Capture, LinkInThePlaceOfTheLogIsNotFollowed) {
  std::filesystem::create_symlink(directory_.path() / "target", directory_.path() / "log1");
  const Captured captured = Run("abc", 100, 1);
  EXPECT_EQ(captured.error, EEXIST);
  EXPECT_EQ(captured.count.bytes, 3u);
  EXPECT_EQ(captured.count.dropped_bytes, 3u);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "target"));
}

TEST_F(Capture, WriteErrorTruncatesTheLogAndTheRestIsCountedAsDropped) {
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{30, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = AllBytes(1000);
  const Captured captured = Run(text, 100, 7);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(captured.error, EFBIG);
  EXPECT_EQ(captured.file, text.substr(0, 30));
  EXPECT_EQ(captured.count.bytes, 1000u);
  EXPECT_EQ(captured.count.dropped_bytes, 970u);
}

}  // namespace
}  // namespace runner::executor
