#include "executor/shim/usage.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/unique_fd.h"
#include "tests/support/as_nobody.h"
#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;

class UsageTest : public ::testing::Test {
 protected:
  // `root`: the process whose descendants may hold files without a name.
  std::uint64_t DiskBytes(pid_t root = 0) const {
    const UniqueFd fd(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return DiskBytesOf(fd.Get(), root);
  }
  static std::uint64_t DiskBytesOf(int fd, pid_t root = 0) {
    DiskWalk walk(fd, root);
    EXPECT_TRUE(walk.Continue(INT64_MAX));
    return walk.bytes();
  }
  void WriteMiB(const fs::path& name) const {
    std::ofstream(directory_.path() / name) << std::string(1 << 20, 'x');
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

TEST_F(UsageTest, SparseFileCountsByItsBlocks) {
  std::ofstream(directory_.path() / "sparse") << "x";
  fs::resize_file(directory_.path() / "sparse", std::uintmax_t{1} << 33);
  EXPECT_LT(DiskBytes(), 1u << 20);
}

TEST_F(UsageTest, AFileWithManyNamesCountsOnce) {
  fs::create_directories(directory_.path() / "a/b");
  WriteMiB("a/file");
  for (const char* name : {"link", "a/link", "a/b/link"}) {
    fs::create_hard_link(directory_.path() / "a/file", directory_.path() / name);
  }
  EXPECT_GE(DiskBytes(), 1u << 20);
  EXPECT_LT(DiskBytes(), 2u << 20);
}

TEST_F(UsageTest, DirectoriesThatTheirOwnerMayNotReadCount) {
  const UniqueFd fd(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool is_root = ::geteuid() == 0;
  const auto with_mode = [&](const char* name, mode_t mode) {
    const fs::path path = directory_.path() / name;
    if (is_root) {
      ASSERT_EQ(::chown(path.c_str(), AsNobody::kNobody, AsNobody::kNobody), 0);
    }
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  };
  fs::create_directories(directory_.path() / "none/write/search/read");
  WriteMiB("none/write/search/read/file");
  with_mode("none/write/search/read", 0400);
  with_mode("none/write/search", 0100);
  with_mode("none/write", 0300);
  with_mode("none", 0);
  with_mode(".", 0);
  {
    std::optional<AsNobody> nobody;
    if (is_root) nobody.emplace();
    EXPECT_GE(DiskBytesOf(fd.Get()), 1u << 20);
  }
  with_mode(".", 0700);
}

// A child that opens by `open`, and holds the result twice until it is killed.
class Holder {
 public:
  template <typename Open>
  explicit Holder(Open open) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      // Files that the test has inherited may be without a name too.
      ::dup2(ready[1], STDOUT_FILENO);
      ::syscall(SYS_close_range, 3U, ~0U, 0U);
      const int fd = open();
      const int again = ::dup(fd);
      [[maybe_unused]] const auto wrote = ::write(STDOUT_FILENO, again >= 0 ? "+" : "-", 1);
      ::alarm(60);
      for (;;) ::pause();
    }
    char answer = 0;
    EXPECT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, '+');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Holder() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(UsageTest, AFileWithoutANameThatIsOpenCountsOnce) {
  WriteMiB("file");
  const Holder holder(
      [this] { return ::open((directory_.path() / "file").c_str(), O_RDWR | O_CLOEXEC); });
  const std::uint64_t named = DiskBytes(::getpid());
  EXPECT_LT(named, 2u << 20) << "it still has a name";
  fs::remove(directory_.path() / "file");
  EXPECT_LT(DiskBytes(), 1u << 20);
  EXPECT_GE(DiskBytes(::getpid()), 1u << 20);
  EXPECT_LT(DiskBytes(::getpid()), 2u << 20);
}

TEST_F(UsageTest, AFileThatNeverHadANameCountsByItsBlocks) {
  const Holder holder([this] {
    const int fd = ::open(directory_.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (::pwrite(fd, "x", 1, off_t{1} << 33) != 1) return -1;
    const std::string mebibyte(1 << 20, 'x');
    return ::pwrite(fd, mebibyte.data(), mebibyte.size(), 0) > 0 ? fd : -1;
  });
  EXPECT_GE(DiskBytes(::getpid()), 1u << 20);
  EXPECT_LT(DiskBytes(::getpid()), 2u << 20);
}

// Two mappings of a file whose second mebibyte is a hole, or -1. The file is not open.
int MapRemoved(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string mebibyte(1 << 20, 'x');
  if (::write(fd, mebibyte.data(), mebibyte.size()) < 0 || ::ftruncate(fd, 2 << 20) != 0) return -1;
  bool mapped = true;
  for (const int kind : {MAP_SHARED, MAP_PRIVATE}) {
    mapped &= ::mmap(nullptr, 2 << 20, PROT_READ, kind, fd, 0) != MAP_FAILED;
  }
  ::unlink(path.c_str());
  ::close(fd);
  return mapped ? STDIN_FILENO : -1;
}

TEST_F(UsageTest, AFileWithoutANameThatIsMappedCountsOnce) {
  const Holder holder([this] { return MapRemoved(directory_.path() / "file"); });
  EXPECT_GE(DiskBytes(::getpid()), 1u << 20);
  EXPECT_LT(DiskBytes(::getpid()), 3u << 20);
}

TEST_F(UsageTest, AMappedFileWhoseNameSaysThatItIsDeletedCountsOnce) {
  WriteMiB("file (deleted)");
  const Holder holder([this] {
    const int fd = ::open((directory_.path() / "file (deleted)").c_str(), O_RDONLY | O_CLOEXEC);
    return ::mmap(nullptr, 1 << 20, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED ? fd : -1;
  });
  EXPECT_LT(DiskBytes(::getpid()), 2u << 20);
}

TEST_F(UsageTest, OpenFileOfAnotherFileSystemDoesNotCount) {
  const Holder holder([] {
    const int fd = ::memfd_create("elsewhere", MFD_CLOEXEC);
    const std::string mebibyte(1 << 20, 'x');
    return ::pwrite(fd, mebibyte.data(), mebibyte.size(), 0) > 0 ? fd : -1;
  });
  EXPECT_LT(DiskBytes(::getpid()), 1u << 20);
}

TEST_F(UsageTest, TreeThatIsTooDeepExceedsEveryLimit) {
  fs::path deep = directory_.path();
  for (int i = 0; i < 140; ++i) deep /= "d";
  fs::create_directories(deep);
  EXPECT_EQ(DiskBytes(), UINT64_MAX);
}

TEST_F(UsageTest, TreeIsMeasuredInSlices) {
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
  EXPECT_GT(slices, 10) << "each slice ends at once";
  EXPECT_EQ(walk.bytes(), DiskBytes());
}

TEST(ResidentBytes, CountsOnlyDescendants) {
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
