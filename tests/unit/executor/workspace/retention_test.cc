#include "executor/workspace/retention.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/workspace/remove_tree.h"
#include "executor/workspace/tree_size.h"
#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

const WallTime kNow = WallTime(hours(24 * 365 * 50));
constexpr Duration kJustNow = std::chrono::seconds(10);
constexpr std::size_t kBlob = 1 << 20;

std::string Id(int n) { return "018f2d3c-7a10-7c4e-9b1e-00000000000" + std::to_string(n); }

class RetentionTest : public testing::Test {
 protected:
  // Sets the age that retention uses.
  static void SetAge(const fs::path& path, Duration age) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
        (kNow - std::chrono::duration_cast<WallTime::duration>(age)).time_since_epoch());
    std::array<timespec, 2> times{};
    times[0].tv_sec = times[1].tv_sec = seconds.count();
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), 0);
  }

  void MakeUnfinished(const std::string& name, Duration age, std::size_t bytes = kBlob) const {
    fs::create_directories(root_.path() / name / "output");
    root_.Write(fs::path(name) / "output" / "blob", std::string(bytes, 'x'));
    SetAge(root_.path() / name, age);
  }
  void MakeFinished(const std::string& name, Duration age, std::size_t bytes = kBlob) const {
    MakeUnfinished(name, age, bytes);
    root_.Write(fs::path(name) / "result.json", "{}");
    SetAge(root_.path() / name / "result.json", age);
  }

  RetentionResult Enforce(const RetentionLimits& limits,
                          const std::set<std::string>& keep = {}) const {
    return EnforceRetention(root_.path(), limits, kNow, keep);
  }
  RetentionResult EnforceAge(const std::set<std::string>& keep = {}) const {
    return Enforce({.max_age = hours(24), .max_bytes = 0}, keep);
  }

  static bool KnowsBirth(const fs::path& path) {
    struct statx status{};
    return ::statx(AT_FDCWD, path.c_str(), 0, STATX_BTIME, &status) == 0 &&
           (status.stx_mask & STATX_BTIME) != 0;
  }

  // Waits until a new entry is younger than this one: file systems take the creation time from a
  // coarse clock.
  void AwaitLaterBirth(const fs::path& name) const {
    const auto born = [&](const fs::path& path) {
      struct statx status{};
      ::statx(AT_FDCWD, path.c_str(), 0, STATX_BTIME, &status);
      return std::pair(status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
    };
    const fs::path probe = root_.path() / ".probe";
    if (!KnowsBirth(root_.path() / name)) return;
    do {
      fs::remove(probe);
      fs::create_directory(probe);
    } while (born(probe) <= born(root_.path() / name));
    fs::remove(probe);
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_.path())) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // Directories within one another, under `name` in the root.
  void MakeNested(const fs::path& name, int depth) const {
    UniqueFd at(::open((root_.path() / name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(::mkdirat(at.Get(), "d", 0700), 0);
      at.Reset(::openat(at.Get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ASSERT_TRUE(at);
    }
    ASSERT_TRUE(UniqueFd(::openat(at.Get(), "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
  }

  const TemporaryDirectory root_;
};

using Strings = std::vector<std::string>;

TEST_F(RetentionTest, WorkspacesBeyondTheMaximumAgeAreRemoved) {
  MakeFinished(Id(1), hours(25));
  MakeFinished(Id(2), hours(23));
  MakeFinished(Id(2) + ".1", hours(25));
  MakeUnfinished(Id(3), hours(25));
  MakeUnfinished(Id(4), hours(23));
  MakeUnfinished(Id(4) + ".12", hours(25));
  const RetentionResult result = EnforceAge();
  EXPECT_EQ(Names(), (Strings{Id(2), Id(4)}));
  EXPECT_EQ(result.removed, 4U);
  EXPECT_GE(result.bytes_removed, 4 * kBlob);
  EXPECT_GE(result.bytes_kept, 2 * kBlob);
  EXPECT_LT(result.bytes_kept, 3 * kBlob);
  EXPECT_EQ(result.errors, Strings{});
}

TEST_F(RetentionTest, AgeIsThatOfTheResult) {
  MakeFinished(Id(1), hours(1));
  SetAge(root_.path() / Id(1), hours(100));
  MakeFinished(Id(2), hours(100));
  SetAge(root_.path() / Id(2), hours(1));
  EnforceAge();
  EXPECT_EQ(Names(), Strings{Id(1)});
}

TEST_F(RetentionTest, LinkAsResultDoesNotFinishAWorkspace) {
  MakeUnfinished(Id(1), kJustNow);
  fs::create_symlink("output/blob", root_.path() / Id(1) / "result.json");
  SetAge(root_.path() / Id(1), kJustNow);
  Enforce({.max_age = {}, .max_bytes = 1});
  EXPECT_EQ(Names(), Strings{Id(1)});
}

// Its executor died without a record, or the disk was too full for the result.
TEST_F(RetentionTest, IdleWorkspaceIsFinishedWithoutAResult) {
  MakeUnfinished(Id(1), hours(2));
  MakeFinished(Id(2), hours(1));
  MakeUnfinished(Id(3), hours(3));
  MakeUnfinished(Id(4), hours(3));
  MakeUnfinished(Id(5), kJustNow);
  const UniqueFd running(::open((root_.path() / Id(3)).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(running.Get(), LOCK_EX), 0);
  const RetentionResult result = Enforce({.max_age = {}, .max_bytes = 3 * kBlob / 2}, {Id(4)});
  EXPECT_EQ(Names(), (Strings{Id(2), Id(3), Id(4), Id(5)}))
      << "the shim of the last one may still start";
  EXPECT_EQ(result.removed, 1U);
}

TEST_F(RetentionTest, TimeSetIntoTheFutureDoesNotKeepAWorkspace) {
  MakeFinished(Id(1), -hours(24 * 365 * 100));
  const WallTime now = std::chrono::system_clock::now() + hours(25);
  EnforceRetention(root_.path(), {.max_age = hours(24), .max_bytes = 0}, now, {});
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(RetentionTest, OldestAreRemovedFirstUntilTheBytesFit) {
  MakeFinished(Id(1), hours(1));
  MakeFinished(Id(2), hours(4));
  MakeFinished(Id(3), hours(2));
  MakeUnfinished(Id(4) + ".1", hours(3));
  MakeUnfinished(Id(5), hours(9));
  const RetentionResult result = Enforce({.max_age = {}, .max_bytes = 5 * kBlob / 2});
  EXPECT_EQ(Names(), (Strings{Id(1), Id(3)}));
  EXPECT_EQ(result.removed, 3U);
  EXPECT_LE(result.bytes_kept, 5 * kBlob / 2);
  EXPECT_GE(result.bytes_kept, 2 * kBlob);
}

TEST_F(RetentionTest, LimitsThatAreOffRemoveNothing) {
  MakeFinished(Id(1), hours(24 * 365 * 20));
  MakeUnfinished(Id(2), hours(24 * 365 * 20));
  const RetentionResult result = Enforce({});
  EXPECT_EQ(Names(), (Strings{Id(1), Id(2)}));
  EXPECT_EQ(result.removed, 0U);
  EXPECT_GE(result.bytes_kept, kBlob);
}

TEST_F(RetentionTest, ManyLinksOfOneFileCountOnce) {
  MakeFinished(Id(1), hours(1));
  for (int i = 0; i < 50; ++i) {
    fs::create_hard_link(root_.path() / Id(1) / "output" / "blob",
                         root_.path() / Id(1) / "output" / std::to_string(i));
  }
  EXPECT_LT(Enforce({}).bytes_kept, 2 * kBlob);
}

TEST_F(RetentionTest, LinksFromOneWorkspaceToAnotherCountOnce) {
  MakeFinished(Id(1), hours(1));
  MakeFinished(Id(2), hours(1), 0);
  fs::create_hard_link(root_.path() / Id(1) / "output" / "blob",
                       root_.path() / Id(2) / "output" / "link");
  EXPECT_GE(Enforce({}).bytes_kept, kBlob);
  EXPECT_LT(Enforce({}).bytes_kept, 2 * kBlob);
}

TEST_F(RetentionTest, LinksFromOtherDirectoriesHideNoBytes) {
  const TemporaryDirectory outside;
  MakeFinished(Id(1), hours(1));
  for (int i = 0; i < 50; ++i) {
    fs::create_hard_link(root_.path() / Id(1) / "output" / "blob",
                         outside.path() / std::to_string(i));
  }
  EXPECT_GE(Enforce({}).bytes_kept, kBlob);
}

TEST_F(RetentionTest, BytesAreCountedInDeepAndUnreadableDirectories) {
  MakeFinished(Id(1), hours(1), 0);
  MakeNested(fs::path(Id(1)) / "output", 200);
  fs::path deep = root_.path() / Id(1) / "output";
  for (int i = 0; i < 100; ++i) deep /= "d";
  root_.Write(deep / "blob", std::string(kBlob, 'x'));
  fs::create_directory(deep / "sibling");
  root_.Write(deep / "sibling" / "blob", std::string(kBlob, 'x'));
  fs::permissions(deep, fs::perms::none);
  EXPECT_GE(Enforce({}).bytes_kept, 2 * kBlob);
  fs::permissions(deep, fs::perms::owner_all);  // otherwise only root could clean up
}

TEST_F(RetentionTest, LockedWorkspaceStays) {
  MakeFinished(Id(1), hours(25));
  MakeFinished(Id(2) + ".1", hours(25));
  const RetentionLimits limits{.max_age = hours(24), .max_bytes = 1};
  {
    const UniqueFd first(::openat(root_.fd(), Id(1).c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd second(::openat(root_.fd(), (Id(2) + ".1").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::flock(first.Get(), LOCK_EX), 0);
    ASSERT_EQ(::flock(second.Get(), LOCK_EX), 0);
    const RetentionResult result = Enforce(limits);
    EXPECT_EQ(result.removed, 0U);
    EXPECT_EQ(result.errors, Strings{});
    EXPECT_EQ(Names(), (Strings{Id(1), Id(2) + ".1"}));
  }
  EXPECT_EQ(Enforce(limits).removed, 2U);
}

TEST_F(RetentionTest, KeptIncidentStaysWithAllAttempts) {
  MakeFinished(Id(1), hours(25));
  MakeFinished(Id(1) + ".1", hours(25));
  MakeFinished(Id(2), hours(25));
  const RetentionResult result = Enforce({.max_age = hours(24), .max_bytes = 1}, {Id(1)});
  EXPECT_EQ(result.removed, 1U);
  EXPECT_EQ(Names(), (Strings{Id(1), Id(1) + ".1"}));
}

TEST_F(RetentionTest, EntriesOlderThanTheSpoolStay) {
  const Strings others = {".hidden", "018F2D3C-7A10-7C4E-9B1E-000000000001", "home",
                          Id(1).substr(0, 35)};
  for (const std::string& name : others) MakeFinished(name, hours(25));
  MakeFinished("lost+found", hours(25));
  EXPECT_EQ(EnforceAge().removed, 0U) << "there is no spool";
  MakeFinished(".spool", hours(25));
  const RetentionResult result = Enforce({.max_age = hours(24), .max_bytes = 1});
  EXPECT_EQ(result.removed, 0U);
  EXPECT_EQ(result.errors, Strings{});
  EXPECT_EQ(Names().size(), others.size() + 2);
}

TEST_F(RetentionTest, EntriesOfAgentsAreRemovedByAge) {
  fs::create_directory(root_.path() / ".spool");
  if (!KnowsBirth(root_.path() / ".spool")) GTEST_SKIP() << "the file system has no creation times";
  const Strings foreign = {Id(1) + ".moved", Id(1) + ".", Id(1) + ".1x",
                           Id(1) + "0",      "copy",      ".hidden",
                           ".removing.x",    "a b",       std::string(255, 'n')};
  for (const std::string& name : foreign) MakeFinished(name, hours(23));
  MakeFinished("lost+found", hours(25));
  EXPECT_EQ(EnforceAge().removed, 0U);
  for (const std::string& name : foreign) {
    SetAge(root_.path() / name / "result.json", hours(25));
  }
  const RetentionResult result = EnforceAge();
  EXPECT_EQ(result.removed, foreign.size());
  EXPECT_GE(result.bytes_removed, foreign.size() * kBlob);
  EXPECT_EQ(result.errors, Strings{});
  EXPECT_EQ(Names(), (Strings{".spool", "lost+found"}));
}

TEST_F(RetentionTest, EntriesOlderThanAReplacedSpoolAreRemovedByAge) {
  MakeFinished("home", hours(25));
  AwaitLaterBirth("home");
  fs::create_directory(root_.path() / ".spool");
  if (!KnowsBirth(root_.path() / ".spool")) GTEST_SKIP() << "the file system has no creation times";
  const RetentionResult first = EnforceAge();
  AwaitLaterBirth(".spool");
  MakeFinished("junk", hours(25));
  AwaitLaterBirth("junk");
  fs::remove(root_.path() / ".spool");
  fs::create_directory(root_.path() / ".spool");
  SetAge(root_.path() / ".spool", hours(25));
  const RetentionResult second = EnforceRetention(
      root_.path(), {.max_age = hours(24), .max_bytes = 0}, kNow, {}, nullptr, first.spool_born);
  EXPECT_EQ(Names(), (Strings{".spool", "home"}));
  EXPECT_EQ(second.spool_born, first.spool_born);
}

// Also those moved aside by an executor that has started since.
TEST_F(RetentionTest, EntriesYoungerThanASpoolMovedAsideAreRemovedByAge) {
  MakeFinished("home", hours(25));
  AwaitLaterBirth("home");
  fs::create_directory(root_.path() / ".spool");
  if (!KnowsBirth(root_.path() / ".spool")) GTEST_SKIP() << "the file system has no creation times";
  AwaitLaterBirth(".spool");
  MakeFinished("junk", hours(25));
  AwaitLaterBirth("junk");
  fs::rename(root_.path() / ".spool", root_.path() / ".spool.bad-1");
  SetAge(root_.path() / ".spool.bad-1", hours(1));
  fs::create_directory(root_.path() / ".spool");
  EnforceAge();
  EXPECT_EQ(Names(), (Strings{".spool", ".spool.bad-1", "home"}));
}

TEST_F(RetentionTest, AMovedWorkspaceIsRemovedWithoutACreationTime) {
  MakeFinished(Id(1) + ".moved", hours(25));
  MakeUnfinished(".spool.bad-1", hours(25));
  EXPECT_EQ(EnforceAge().removed, 2U) << "there is no spool to compare with";
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(RetentionTest, SpoolsMovedAsideAreBoundedRegardlessOfAge) {
  Strings kept;
  for (int n = 1; n <= 20; ++n) {
    const std::string suffix = n > kMaxSpoolsAside ? Id(n % 10) : std::to_string(n);
    MakeFinished(".spool.bad-" + suffix, hours(n));
    if (n <= kMaxSpoolsAside) kept.push_back(".spool.bad-" + suffix);
  }
  MakeFinished(Id(1), hours(23));
  kept.push_back(Id(1));
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(EnforceAge().removed, 4U);
  EXPECT_EQ(Names(), kept);
}

TEST_F(RetentionTest, FilesAndLinksAreRemovedByAgeAndBytesToo) {
  const TemporaryDirectory outside;
  outside.Write("precious", "x");
  root_.Write(Id(1) + ".tar", std::string(2 * kBlob, 'x'));
  SetAge(root_.path() / (Id(1) + ".tar"), hours(2));
  fs::create_symlink(outside.path(), root_.path() / (Id(2) + ".link"));
  SetAge(root_.path() / (Id(2) + ".link"), hours(25));
  ASSERT_EQ(::mkfifo((root_.path() / (Id(3) + ".fifo")).c_str(), 0600), 0);
  SetAge(root_.path() / (Id(3) + ".fifo"), hours(25));
  MakeFinished(Id(4), hours(1));
  const RetentionResult result = Enforce({.max_age = hours(24), .max_bytes = 3 * kBlob / 2});
  EXPECT_EQ(result.removed, 3U);
  EXPECT_EQ(result.errors, Strings{});
  EXPECT_EQ(Names(), Strings{Id(4)});
  EXPECT_EQ(outside.Read("precious"), "x");
}

TEST_F(RetentionTest, AMovedWorkspaceOfARunStays) {
  MakeFinished(Id(1) + ".moved", hours(25));
  EXPECT_EQ(EnforceAge({Id(1)}).removed, 0U) << "its incident runs";
  const UniqueFd lock(::open((root_.path() / (Id(1) + ".moved")).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.Get(), LOCK_EX), 0);
  EXPECT_EQ(EnforceAge().removed, 0U) << "its shim lives";
}

TEST_F(RetentionTest, LinkNamedAsAWorkspaceIsRemovedAndItsTargetStays) {
  const TemporaryDirectory outside;
  outside.Write("result.json", "{}");
  SetAge(outside.path() / "result.json", hours(25));
  fs::create_directory_symlink(outside.path(), root_.path() / Id(1));
  SetAge(root_.path() / Id(1), hours(25));
  const RetentionResult result = Enforce({.max_age = hours(24), .max_bytes = 1});
  EXPECT_EQ(Names(), Strings{});
  EXPECT_EQ(outside.Read("result.json"), "{}");
  EXPECT_EQ(result.removed, 1U);
  EXPECT_EQ(result.errors, Strings{});
}

TEST_F(RetentionTest, LinksInsideAreRemovedAndTheirTargetsStay) {
  const TemporaryDirectory outside;
  outside.Write("file", "precious");
  fs::permissions(outside.path(), fs::perms::owner_read | fs::perms::owner_exec);
  MakeFinished(Id(1), hours(25));
  for (const fs::path& at : {root_.path() / Id(1), root_.path() / Id(1) / "output"}) {
    fs::create_directory_symlink(outside.path(), at / "directory");
    fs::create_symlink(outside.path() / "file", at / "file");
    fs::create_symlink("/nowhere", at / "dangling");
  }
  EXPECT_EQ(EnforceAge().removed, 1U);
  EXPECT_EQ(Names(), Strings{});
  EXPECT_EQ(outside.Read("file"), "precious");
  EXPECT_EQ(fs::status(outside.path()).permissions(),
            fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(outside.path(), fs::perms::owner_all);
}

TEST_F(RetentionTest, DirectoriesWithoutPermissionsAreRemoved) {
  MakeFinished(Id(1), hours(25));
  const fs::path output = root_.path() / Id(1) / "output";
  fs::create_directories(output / "none" / "none" / "none");
  fs::create_directories(output / "read" / "only");
  root_.Write(output / "read" / "only" / "file", "x");
  for (const char* name : {"none/none/none", "none/none", "none"}) {
    fs::permissions(output / name, fs::perms::none);
  }
  for (const char* name : {"read/only", "read"}) {
    fs::permissions(output / name, fs::perms::owner_read | fs::perms::owner_exec);
  }
  fs::permissions(output, fs::perms::owner_write);
  fs::permissions(root_.path() / Id(1), fs::perms::none);
  const RetentionResult result = EnforceAge();
  EXPECT_EQ(result.errors, Strings{});
  EXPECT_EQ(result.removed, 1U);
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(RetentionTest, DeepTreesAreRemoved) {
  MakeFinished(Id(1), hours(25));
  MakeNested(Id(1), 20'000);
  const RetentionResult result = EnforceAge();
  EXPECT_EQ(result.errors, Strings{});
  EXPECT_EQ(result.removed, 1U);
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(RetentionTest, NamesThatTheRemovalItselfUsesAreRemoved) {
  fs::create_directory(root_.path() / "tree");
  for (int i = 0; i < 20; ++i) {
    const fs::path number = fs::path("tree") / std::to_string(i);
    if (i % 2 == 0) {
      root_.Write(number, "x");
    } else {
      fs::create_directories(root_.path() / number / "0" / "1" / "2");
    }
  }
  EXPECT_EQ(RemoveTree(root_.fd(), "tree"), 0);
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(RetentionTest, LeftoversAreRemovedByEveryCall) {
  MakeFinished(".removing." + Id(1), hours(1));
  MakeUnfinished(".removing." + Id(2) + ".3", hours(1));
  const RetentionResult result = Enforce({});
  EXPECT_EQ(Names(), Strings{});
  EXPECT_EQ(result.removed, 0U);
  EXPECT_EQ(result.errors, Strings{});
}

TEST_F(RetentionTest, MissingRootIsNoError) {
  const RetentionResult result =
      EnforceRetention(root_.path() / "none", {.max_age = hours(1), .max_bytes = 1}, kNow, {});
  EXPECT_EQ(result.errors, Strings{});
}

TEST_F(RetentionTest, RootThatCannotBeOpenedIsAnError) {
  root_.Write("file", "x");
  const RetentionResult result = EnforceRetention(root_.path() / "file", {}, kNow, {});
  EXPECT_EQ(result.errors, Strings{"workspace root: open: Not a directory"});
}

TEST_F(RetentionTest, RemoveTreeAcceptsOnlyNames) {
  fs::create_directories(root_.path() / "a" / "b");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."),
                                  std::string("a/b"), std::string("/"), std::string("a\0b", 3)}) {
    EXPECT_EQ(RemoveTree(root_.fd(), name), EINVAL);
  }
  EXPECT_EQ(RemoveTree(root_.fd(), "missing"), 0);
  EXPECT_TRUE(fs::exists(root_.path() / "a" / "b"));
}

// What an agent that outlived its run can do to its tree during the removal: swap a directory for a
// link to elsewhere, and move away a directory that is being emptied.
class Swapper {
 public:
  Swapper(const fs::path& directory, const fs::path& outside)
      : directory_(directory),
        aside_(directory.string() + ".aside"),
        outside_(outside),
        away_(outside / "away"),
        thread_([this] { Run(); }) {}
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;

 private:
  void Run() {
    for (unsigned i = 0; !stop_; ++i) {
      const fs::path& to = i % 2 == 0 ? aside_ : away_;
      ::rename(directory_.c_str(), to.c_str());
      if (::symlink(outside_.c_str(), directory_.c_str()) == 0) {
        std::this_thread::yield();
        ::unlink(directory_.c_str());
      }
      ::rename(to.c_str(), directory_.c_str());
    }
  }

  const fs::path directory_;
  const fs::path aside_;
  const fs::path outside_;
  const fs::path away_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST_F(RetentionTest, FilesOutsideStayWhileEntriesAreSwapped) {
  const TemporaryDirectory outside;
  fs::create_directories(outside.path() / "precious" / "nested");
  outside.Write("file", "precious");
  outside.Write("precious/nested/file", "precious");
  const auto perms = fs::perms::owner_read | fs::perms::owner_exec;
  fs::permissions(outside.path() / "precious", perms);
  for (int i = 0; i < 300; ++i) {
    const fs::path tree = root_.path() / "tree";
    // Directories are emptied at the top level and moved from the level below.
    const fs::path swapped = i % 2 == 0 ? tree / "d" : tree / "a" / "d";
    fs::create_directories(swapped / "precious" / "nested" / "more");
    for (int n = 0; n < 20; ++n) {
      fs::create_directories(swapped / std::to_string(n) / "x");
      root_.Write(swapped / std::to_string(n) / "file", "x");
    }
    fs::permissions(swapped / "precious", perms);
    {
      const Swapper swapper(swapped, outside.path());
      // The result is random.
      for (int n = 0; n < 3; ++n) (void)RemoveTree(root_.fd(), "tree");
    }
    EXPECT_EQ(RemoveTree(root_.fd(), "tree"), 0);
    EXPECT_EQ(RemoveTree(outside.fd(), "away"), 0);
    ASSERT_EQ(outside.Read("file"), "precious");
    ASSERT_EQ(outside.Read("precious/nested/file"), "precious");
    ASSERT_EQ(fs::status(outside.path() / "precious").permissions(), perms);
  }
  fs::permissions(outside.path() / "precious", fs::perms::owner_all);
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(RetentionTest, MeasuringCanBeInterrupted) {
  for (int i = 0; i < 50; ++i) {
    fs::create_directory(root_.path() / std::to_string(i));
    root_.Write(fs::path(std::to_string(i)) / "blob", std::string(kBlob / 16, 'x'));
  }
  const std::atomic<bool> stop{true};
  SeenLinks links;
  EXPECT_LT(TreeSize(root_.fd(), links, &stop), TreeSize(root_.fd(), links) / 2);
}

}  // namespace
}  // namespace runner::executor
