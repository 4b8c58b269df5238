#include "executor/workspace/retention.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/directory.h"
#include "executor/workspace/remove_tree.h"
#include "executor/workspace/tree_size.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {
namespace {

constexpr std::string_view kRemoving = ".removing.";
constexpr std::size_t kUuidSize = 36;
constexpr std::size_t kMaxErrors = 16;
constexpr std::size_t kMaxEntries = 1'000'000;  // entries of the root that one call inspects
constexpr Duration kStartOfRun = std::chrono::minutes(1);
constexpr mode_t kReadable = S_IRUSR | S_IXUSR;

bool IsWorkspaceName(std::string_view name) {
  if (!IsLowerCaseUuid(name.substr(0, kUuidSize))) return false;
  const std::string_view rest = name.substr(kUuidSize);
  return rest.empty() || (rest.size() > 1 && rest.front() == '.' &&
                          rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

bool BeginsWithUuid(std::string_view name) { return IsLowerCaseUuid(name.substr(0, kUuidSize)); }

bool IsSpoolAside(std::string_view name) { return name.starts_with(kSpoolAside); }

// Returns the creation time of an entry, if the file system knows it.
std::optional<BirthTime> BornAt(int dir_fd, const char* name) {
  struct statx status{};
  if (::statx(dir_fd, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status) != 0 ||
      (status.stx_mask & STATX_BTIME) == 0) {
    return std::nullopt;
  }
  return BirthTime(status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
}

// The change time bounds the modification time: an agent could set the latter into the future to
// keep its workspace forever, but cannot set the former. The clamp prevents an overflow of
// nanoseconds.
WallTime ModifiedAt(const struct stat& status) {
  const auto m = std::pair(status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  const auto c = std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
  const auto [seconds, nanoseconds] = std::min(m, c);
  return WallTime(std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 9'000'000'000)) +
                  std::chrono::nanoseconds(nanoseconds));
}

// An idle workspace, which stays idle while it is locked; or another entry.
struct IdleWorkspace {
  std::string name;
  bool finished = false;
  WallTime modified;
  std::uint64_t bytes = 0;
  UniqueFd lock;  // empty: not a directory
};

class Retention {
 public:
  Retention(int root, const RetentionLimits& limits, WallTime now, const std::atomic<bool>* stop,
            std::optional<BirthTime> spool_born)
      : root_(root), limits_(limits), now_(now), stop_(stop), spool_born_(spool_born) {}

  RetentionResult Run(const std::set<std::string>& keep) {
    FindOldestSpool();
    result_.spool_born = spool_born_;
    std::vector<std::string> leftovers;
    std::vector<std::string> names;
    const int error = ForEachEntry(root_, [&](std::string_view name) {
      if (name.starts_with(kRemoving) && IsWorkspaceName(name.substr(kRemoving.size()))) {
        leftovers.emplace_back(name);
      } else if (!keep.contains(std::string(name.substr(0, kUuidSize))) &&
                 (IsWorkspaceName(name) || IsForeign(name))) {
        names.emplace_back(name);
      }
      return names.size() < kMaxEntries;
    });
    Check("workspace root", "list", error);
    for (const std::string& name : leftovers) Check(name, "remove", RemoveTree(root_, name, stop_));

    std::vector<IdleWorkspace> found;
    for (const std::string& name : names) {
      if (IsStopped()) return std::move(result_);
      auto workspace = Lock(name);
      if (!workspace) continue;
      if (workspace->lock) workspace->bytes = TreeSize(workspace->lock.Get(), links_, stop_);
      workspace->lock.Reset();
      if (IsStopped()) return std::move(result_);
      found.push_back(std::move(*workspace));
    }
    RemoveOldest(std::move(found));
    return std::move(result_);
  }

 private:
  void FindOldestSpool() {
    const int error = ForEachEntry(root_, [&](const char* name) {
      if (name != kSpoolName && !IsSpoolAside(name)) return true;
      const auto born = BornAt(root_, name);
      if (born && (!spool_born_ || *born < *spool_born_)) spool_born_ = born;
      return true;
    });
    Check("workspace root", "list", error);
  }

  void RemoveOldest(std::vector<IdleWorkspace> found) {
    std::sort(found.begin(), found.end(), [](const IdleWorkspace& a, const IdleWorkspace& b) {
      return std::tie(a.modified, a.name) < std::tie(b.modified, b.name);
    });
    std::uint64_t total = 0;
    std::size_t spools = 0;  // broken spools, which were moved aside
    for (const IdleWorkspace& each : found) {
      total += each.finished ? each.bytes : 0;
      spools += IsSpoolAside(each.name);
    }
    for (const IdleWorkspace& each : found) {
      const bool over = each.finished && limits_.max_bytes != 0 && total > limits_.max_bytes;
      const bool crowded = IsSpoolAside(each.name) && spools > kMaxSpoolsAside;
      const bool goes = !IsStopped() && (over || crowded || IsExpired(each.modified));
      if (goes && IsSpoolAside(each.name)) --spools;
      // Counted even if the removal fails: other workspaces must not be removed in its place.
      if (goes && each.finished) total -= each.bytes;
      if (goes && Remove(each)) {
        ++result_.removed;
        result_.bytes_removed += each.bytes;
      } else if (each.finished) {
        result_.bytes_kept += each.bytes;
      }
    }
  }

  // True for an entry that belongs neither to a workspace nor to the executor, and whose name an
  // agent chose or that was created after the executor started here.
  bool IsForeign(std::string_view name) const {
    if (name == kSpoolName || name == "lost+found") return false;
    if (BeginsWithUuid(name) || IsSpoolAside(name)) return true;
    const auto born = BornAt(root_, std::string(name).c_str());
    return born && spool_born_ && *born > *spool_born_;
  }

  // For a link, a file or the like.
  std::optional<IdleWorkspace> FindOther(const std::string& name) const {
    struct stat status{};
    if (::fstatat(root_, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    const WallTime modified = ModifiedAt(status);
    return IdleWorkspace{name, modified < now_ - kStartOfRun, modified,
                         static_cast<std::uint64_t>(status.st_blocks) * 512, UniqueFd()};
  }

  // Returns nothing if the workspace has an active run, is a mount, or is neither finished nor old
  // enough.
  std::optional<IdleWorkspace> Lock(const std::string& name) {
    OpenResult opened = OpenDirectory(root_, name.c_str(), kReadable);
    if (opened.error == ENOTDIR) return FindOther(name);
    if (opened.error == ENOENT || opened.error == EXDEV) return std::nullopt;
    if (!Check(name, "open", opened.error)) return std::nullopt;
    struct stat status{};
    const bool has_result =
        ::fstatat(opened.fd.Get(), "result.json", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode);
    if (!has_result && ::fstat(opened.fd.Get(), &status) != 0) return std::nullopt;
    // Even without a result: its executor may have died, or the disk was full. A shim that is just
    // starting may not hold its lock yet, hence the minute.
    const bool finished =
        has_result || name.size() > kUuidSize || ModifiedAt(status) < now_ - kStartOfRun;
    // Checked before the lock is taken: a shim that starts must find its workspace unlocked.
    if (!finished && !IsExpired(ModifiedAt(status))) return std::nullopt;
    if (::flock(opened.fd.Get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) Check(name, "lock", errno);
      return std::nullopt;
    }
    return IdleWorkspace{name, finished, ModifiedAt(status), 0, std::move(opened.fd)};
  }

  bool Remove(const IdleWorkspace& measured) {
    const std::string& name = measured.name;
    const auto workspace = Lock(name);
    if (!workspace || workspace->modified != measured.modified) return false;
    // No attempt uses such a name, or the entry is not a directory: it cannot belong to a new run
    // meanwhile.
    if (!workspace->lock || !IsWorkspaceName(name))
      return Check(name, "remove", RemoveTree(root_, name, stop_));
    // After a crash from here on, the next call recognises the entry by this name, and a new
    // attempt can use the old name.
    const std::string target = std::string(kRemoving) + name;
    if (!IsNamed(workspace->lock.Get(), name)) return false;
    const int error = ::renameat(root_, name.c_str(), root_, target.c_str()) == 0 ? 0 : errno;
    if (!Check(name, "rename", error)) return false;
    if (!IsNamed(workspace->lock.Get(), target)) {
      // A new attempt has just taken the name: undo the rename.
      ::renameat2(root_, target.c_str(), root_, name.c_str(), RENAME_NOREPLACE);
      return Check(name, "rename", EAGAIN);
    }
    return Check(name, "remove", RemoveTree(root_, target, stop_));
  }

  bool IsNamed(int fd, const std::string& name) const {
    struct stat own{};
    struct stat named{};
    return ::fstat(fd, &own) == 0 &&
           ::fstatat(root_, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           IsSameFile(own, named);
  }

  bool IsExpired(WallTime modified) const {
    return limits_.max_age > Duration::zero() && modified < now_ - limits_.max_age;
  }

  bool IsStopped() const { return stop_ != nullptr && stop_->load(std::memory_order_relaxed); }

  bool Check(const std::string& name, const char* what, int error) {
    if (error != 0 && !IsStopped() && result_.errors.size() < kMaxErrors) {
      result_.errors.push_back(name + ": " + what + ": " + std::generic_category().message(error));
    }
    return error == 0;
  }

  const int root_;
  const RetentionLimits limits_;
  const WallTime now_;
  const std::atomic<bool>* const stop_;
  std::optional<BirthTime> spool_born_;  // of the oldest spool
  SeenLinks links_;
  RetentionResult result_;
};

}  // namespace

RetentionResult EnforceRetention(const std::filesystem::path& root, const RetentionLimits& limits,
                                 WallTime now, const std::set<std::string>& keep,
                                 const std::atomic<bool>* stop,
                                 std::optional<BirthTime> spool_born) {
  const UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return Retention(fd.Get(), limits, now, stop, spool_born).Run(keep);
  RetentionResult result;  // without a root there is nothing to keep or remove
  result.spool_born = spool_born;
  const int error = errno;
  if (error != ENOENT) {
    result.errors.push_back("workspace root: open: " + std::generic_category().message(error));
  }
  return result;
}

}  // namespace runner::executor
