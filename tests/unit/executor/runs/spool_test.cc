#include "executor/runs/spool.h"

#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/unique_fd.h"
#include "executor/shim/result.h"
#include "executor/workspace/retention.h"
#include "tests/support/as_nobody.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Spool, RecordSurvivesTheRoundTrip) {
  const TemporaryDirectory root;
  Spool spool(root.path());
  const Lease lease{"018f2d3c-7a10-7c4e-9b1e-0123456789ab", 3};
  ShimRecord record;
  lease.incident_id.copy(record.incident_id, sizeof record.incident_id - 1);
  record.attempt = 3;
  record.signal = 15;
  record.spawn_errno = 2;
  record.log_errno = 28;
  record.orphans_killed = 4;
  record.stopped = ShimStop::kExecutorLost;
  record.timed_out = true;
  record.contained = true;
  record.started_at_ns = 1'700'000'000'123'456'789;
  record.finished_at_ns = 1'700'000'001'123'456'789;
  record.duration_ns = 1'000'000'000;
  record.out = {UINT64_MAX, 5};
  record.err = {6, 7};
  ASSERT_TRUE(WriteResult(spool.FileOf(lease).c_str(), record));

  const auto loaded = spool.Load(lease);
  ASSERT_TRUE(loaded);
  EXPECT_STREQ(loaded->incident_id, record.incident_id);
  EXPECT_EQ(loaded->attempt, 3u);
  EXPECT_EQ(loaded->exit_code, ShimRecord::kNoExitCode);
  EXPECT_EQ(loaded->signal, 15);
  EXPECT_EQ(loaded->spawn_errno, 2);
  EXPECT_EQ(loaded->log_errno, 28);
  EXPECT_EQ(loaded->orphans_killed, 4u);
  EXPECT_EQ(loaded->stopped, ShimStop::kExecutorLost);
  EXPECT_TRUE(loaded->timed_out);
  EXPECT_TRUE(loaded->contained);
  EXPECT_EQ(loaded->started_at_ns, record.started_at_ns);
  EXPECT_EQ(loaded->finished_at_ns, record.finished_at_ns);
  EXPECT_EQ(loaded->duration_ns, record.duration_ns);
  EXPECT_EQ(loaded->out.bytes, UINT64_MAX);
  EXPECT_EQ(loaded->err.dropped_bytes, 7u);
  EXPECT_FALSE(std::filesystem::exists(spool.FileOf(lease).string() + ".tmp"));

  // A record under the name of another lease is invalid.
  const Lease other{lease.incident_id, 4};
  std::filesystem::copy_file(spool.FileOf(lease), spool.FileOf(other));
  EXPECT_FALSE(spool.Load(other));

  spool.Remove(lease);
  EXPECT_FALSE(spool.Load(lease));
  spool.Remove(lease);
}

// A workspace root as a test, or an agent, has left it.
class SpoolRepair : public ::testing::Test {
 protected:
  static constexpr const char* kId = "018f2d3c-7a10-7c4e-9b1e-0123456789ab";

  static bool IsUsable(const fs::path& directory) {
    return fs::symlink_status(directory).type() == fs::file_type::directory &&
           (fs::status(directory).permissions() & fs::perms::owner_all) == fs::perms::owner_all;
  }
  void WriteRecord(const Spool& spool, std::uint32_t attempt) const {
    ShimRecord record;
    std::string(kId).copy(record.incident_id, sizeof record.incident_id - 1);
    record.attempt = attempt;
    record.contained = true;
    ASSERT_TRUE(WriteResult(spool.FileOf({kId, attempt}).c_str(), record));
  }

  const TemporaryDirectory root_;
  const fs::path spool_ = root_.path() / ".spool";
};

TEST_F(SpoolRepair, AFileInThePlaceOfTheSpoolIsMovedAside) {
  root_.Write(".spool", "x");
  Spool spool(root_.path());
  EXPECT_TRUE(IsUsable(spool_));
  EXPECT_EQ(root_.Read(".spool.bad-1"), "x");
  EXPECT_THAT(spool.TakeRepairs(), ElementsAre(".spool moved to .spool.bad-1"));
  EXPECT_THAT(spool.TakeRepairs(), IsEmpty());
}

TEST_F(SpoolRepair, LinksAndSpecialFilesAreMovedAsideToo) {
  const TemporaryDirectory outside;
  fs::create_directory_symlink(outside.path(), spool_);
  Spool spool(root_.path());
  EXPECT_TRUE(IsUsable(spool_));
  fs::remove(spool_);
  ASSERT_EQ(::mkfifo(spool_.c_str(), 0600), 0);
  spool.Ensure();
  EXPECT_TRUE(IsUsable(spool_));
  EXPECT_THAT(spool.TakeRepairs(),
              ElementsAre(".spool moved to .spool.bad-1", ".spool moved to .spool.bad-2"));
  WriteRecord(spool, 1);
  EXPECT_TRUE(fs::is_empty(outside.path()));
}

// Agents may have filled them, and their removal would block the loop for too long.
TEST_F(SpoolRepair, RepairDoesNotRemoveSpoolsThatWereMovedAside) {
  Spool spool(root_.path());
  for (int i = 0; i < kMaxSpoolsAside + 3; ++i) {
    fs::remove(spool_);
    root_.Write(".spool", std::to_string(i));
    spool.Ensure();
    EXPECT_TRUE(IsUsable(spool_));
  }
  std::set<std::string> names;
  for (const std::string& change : spool.TakeRepairs()) {
    names.insert(change.substr(change.rfind(' ') + 1));
  }
  EXPECT_EQ(names.size(), kMaxSpoolsAside + 3u);
  for (const std::string& name : names) EXPECT_TRUE(fs::exists(root_.path() / name)) << name;
  EXPECT_EQ(root_.Read(".spool.bad-16"), "15");
}

TEST_F(SpoolRepair, MissingPermissionsAreAdded) {
  {
    const Spool spool(root_.path());
  }
  fs::permissions(spool_, fs::perms::none);
  fs::permissions(root_.path(), fs::perms::none);
  Spool spool(root_.path());
  EXPECT_TRUE(IsUsable(root_.path()));
  EXPECT_TRUE(IsUsable(spool_));
  EXPECT_THAT(spool.TakeRepairs(),
              ElementsAre("workspace root made accessible", ".spool made accessible"));
}

TEST_F(SpoolRepair, GroupPermissionsAreRemovedAndNotReported) {
  ASSERT_EQ(::chmod(root_.path().c_str(), 02770), 0);
  {
    const Spool spool(root_.path());
  }
  ASSERT_EQ(::chmod(spool_.c_str(), 02770), 0);  // as a volume with fsGroup is mounted
  Spool spool(root_.path());
  EXPECT_EQ(fs::status(spool_).permissions() & fs::perms::all, fs::perms::owner_all);
  EXPECT_THAT(spool.TakeRepairs(), IsEmpty());
}

TEST_F(SpoolRepair, ARootMayBeALink) {
  const fs::path link = root_.path().string() + "-link";
  fs::create_directory_symlink(root_.path(), link);
  Spool spool(link);
  ASSERT_TRUE(spool.Claim());
  root_.Write(".spool/stranger", "x");
  EXPECT_EQ(spool.Records().unusable.moved, 1u);
  fs::remove(link);
}

TEST_F(SpoolRepair, AnUnusableRootIsAnErrorWithAdvice) {
  root_.Write("file", "x");
  try {
    const Spool spool(root_.path() / "file");
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_EQ(error.what(), "--workspace-root: \"" + (root_.path() / "file").string() +
                                "\" cannot be used: Not a directory; expected a directory that "
                                "this user owns, or may write to");
  }
}

TEST_F(SpoolRepair, TheClaimFollowsTheSpool) {
  Spool spool(root_.path());
  ASSERT_TRUE(spool.Claim());
  fs::rename(spool_, root_.path() / "elsewhere");
  spool.Ensure();
  Spool other(root_.path());
  EXPECT_FALSE(other.Claim());
}

TEST_F(SpoolRepair, OtherEntriesAreMovedAsideAndRecordsStay) {
  Spool spool(root_.path());
  ASSERT_TRUE(spool.Claim());
  WriteRecord(spool, 1);
  WriteRecord(spool, 2);
  const std::string id = kId;
  root_.Write(".spool/" + id + ".3.json", "garbage");
  root_.Write(".spool/" + id + ".4.json", "");
  root_.Write(".spool/" + id + ".5.json", std::string(1 << 20, ' '));
  fs::create_directory(spool_ / (id + ".6.json"));
  ASSERT_EQ(::mkfifo((spool_ / (id + ".7.json")).c_str(), 0600), 0);
  WriteRecord(spool, 8);
  fs::rename(spool.FileOf({kId, 8}), root_.path() / "record");
  fs::create_symlink(root_.path() / "record", spool.FileOf({kId, 8}));
  fs::copy_file(spool.FileOf({kId, 1}), spool_ / (id + ".9.json"));  // of another attempt
  for (const std::string& name : {std::string("strange\nname"), std::string(255, 'n'),
                                  id + ".0x1.json", id + ".json", std::string("-rf")}) {
    root_.Write(fs::path(".spool") / name, "x");
  }
  root_.Write(".spool/" + id + ".10.json.tmp", "a shim writes it");
  ASSERT_EQ(::mknod((spool_ / (id + ".11.json")).c_str(), S_IFSOCK | 0600, 0), 0);
  const Spool::Stock stock = spool.Records();
  EXPECT_EQ(stock.records.size(), 2u);
  EXPECT_EQ(stock.unreadable, 0u);
  EXPECT_EQ(stock.unusable.moved, 13u);
  EXPECT_EQ(stock.unusable.failed, 0u);
  EXPECT_EQ(stock.unusable.directory, ".spool.bad-1");
  EXPECT_EQ(stock.unusable.names.size(), 5u);
  EXPECT_EQ(std::distance(fs::directory_iterator(spool_), fs::directory_iterator()), 3);
  EXPECT_EQ(spool.Records().unusable.moved, 0u);
}

TEST_F(SpoolRepair, AnUnreadableRecordIsMadeReadable) {
  Spool spool(root_.path());
  ASSERT_TRUE(spool.Claim());
  WriteRecord(spool, 1);
  fs::permissions(spool.FileOf({kId, 1}), fs::perms::none);  // its owner can change that
  std::optional<AsNobody> nobody;
  if (::geteuid() == 0) {
    for (const fs::path& path : {spool.FileOf({kId, 1}), spool_, root_.path()}) {
      ASSERT_EQ(::chown(path.c_str(), AsNobody::kNobody, AsNobody::kNobody), 0);
    }
    nobody.emplace();
  }
  const Spool::Stock stock = spool.Records();
  nobody.reset();
  EXPECT_EQ(stock.records.size(), 1u);
  EXPECT_EQ(stock.unreadable, 0u);
}

// During the lifetime of the object, `free` descriptors are available.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t free) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const UniqueFd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit few{static_cast<rlim_t>(lowest.Get()) + free, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(SpoolRepair, RecordsStayIfDescriptorsAreShort) {
  RUNNER_SKIP_IF_CHECKS_NEED_DESCRIPTORS();
  Spool spool(root_.path());
  ASSERT_TRUE(spool.Claim());
  WriteRecord(spool, 1);
  WriteRecord(spool, 2);
  {
    const FewDescriptors few(1);  // to list the spool
    const Spool::Stock stock = spool.Records();
    EXPECT_THAT(stock.records, IsEmpty());
    EXPECT_THAT(stock.unusable.names, IsEmpty());
    EXPECT_EQ(stock.unreadable, 2u);
    EXPECT_EQ(stock.list_errno, 0);
  }
  {
    const FewDescriptors none(0);
    EXPECT_EQ(spool.Records().list_errno, EMFILE);
  }
  const Spool::Stock stock = spool.Records();
  EXPECT_EQ(stock.records.size(), 2u);
  EXPECT_EQ(stock.unreadable, 0u);
  EXPECT_FALSE(fs::exists(root_.path() / ".spool.bad-1"));
}

TEST(Spool, InvalidRecordsAreNotRead) {
  for (const char* text : {"", "{}", "[]", "{\"incident_id\":1}", "null"}) {
    EXPECT_FALSE(ParseShimRecord(text)) << text;
  }
}

class SpoolNumbers : public ::testing::Test {
 protected:
  // A valid record with another value for one field.
  static std::string With(const std::string& field, const std::string& value) {
    const TemporaryDirectory directory;
    ShimRecord record;
    std::string("018f2d3c-7a10-7c4e-9b1e-0123456789ab").copy(record.incident_id, 36);
    EXPECT_TRUE(WriteResult((directory.path() / "record").c_str(), record));
    std::string document = directory.Read("record");
    const std::size_t at = document.find("\"" + field + "\":") + field.size() + 3;
    EXPECT_LT(at, document.size()) << field;
    document.replace(at, document.find_first_of(",}", at) - at, value);
    return document;
  }
};

TEST_F(SpoolNumbers, ARecordWithANumberOutOfRangeIsInvalid) {
  const std::string above_int64 = "9223372036854775808";
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"attempt", {"-1", "4294967296", "1.5"}},
      {"exit_code", {"-2", "256", "4294967296", "1.0"}},
      {"signal", {"-1", "65", "4294967305"}},
      {"spawn_errno", {"-1", "4096"}},
      {"log_errno", {"-1", "4096"}},
      {"orphans_killed", {"-1", "4294967296"}},
      {"started_at_ns", {"-1", above_int64, "1e300", "true"}},
      {"finished_at_ns", {"-1", above_int64, "1e300", "\"1\""}},
      {"duration_ns", {"-1", above_int64, "1e300", "null"}},
      {"stdout_bytes", {"-1", "18446744073709551616"}},
      {"stdout_dropped_bytes", {"-1", "0.5"}},
      {"stderr_bytes", {"-1", "true"}},
      {"stderr_dropped_bytes", {"-1", "1e3"}},
  };
  for (const auto& [field, values] : cases) {
    EXPECT_TRUE(ParseShimRecord(With(field, "0"))) << field;
    for (const std::string& value : values) {
      EXPECT_FALSE(ParseShimRecord(With(field, value))) << field << " " << value;
    }
  }
  EXPECT_TRUE(ParseShimRecord(With("duration_ns", "9223372036854775807")));
  EXPECT_TRUE(ParseShimRecord(With("exit_code", "-1")));
}

}  // namespace
}  // namespace runner::executor
