#include "executor/workspace/retention.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/workspace/beneath.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {
namespace {

constexpr std::string_view kRemoving = ".removing.";
constexpr std::size_t kUuidSize = 36;
constexpr std::size_t kMaxErrors = 16;
constexpr std::size_t kMaxMeasured = 1'000'000;
constexpr std::size_t kMaxPending = 100'000;  // names in memory while measuring: 30 MB at worst
constexpr std::size_t kMaxRemoved = 10'000'000;
constexpr int kMaxPasses = 8;
constexpr mode_t kReadable = S_IRUSR | S_IXUSR;
constexpr mode_t kWritable = S_IRWXU;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Opens a directory after giving its owner the permissions `needed`. The mode is changed through a
// descriptor of the very directory, since its name may lead elsewhere a moment later; fchmod(2)
// refuses O_PATH, hence /proc. A mount is not entered: what it shows is not beneath.
OpenResult OpenDirectory(int dir_fd, const char* name, mode_t needed) {
  const UniqueFd path(::openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!path) return {UniqueFd(), errno};
  struct statx parent{};
  struct statx own{};
  if (::statx(dir_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &parent) != 0 ||
      ::statx(path.Get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &own) != 0) {
    return {UniqueFd(), errno};
  }
  const bool same_device =
      parent.stx_dev_major == own.stx_dev_major && parent.stx_dev_minor == own.stx_dev_minor;
  if (!same_device || (own.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return {UniqueFd(), EXDEV};
  const mode_t mode = own.stx_mode & 07777U;
  if ((mode & needed) != needed) {
    // Where this fails, so does what needs it, and that is what is reported.
    ::chmod(("/proc/self/fd/" + std::to_string(path.Get())).c_str(), mode | needed);
  }
  UniqueFd fd(::openat(path.Get(), ".", kDirectory));
  if (!fd) return {UniqueFd(), errno};
  return {std::move(fd), 0};
}

// Calls `visit` with every name in the directory until it returns false. An errno; 0 on success.
template <typename Visit>
int ForEachEntry(int dir_fd, Visit visit) {
  UniqueFd fd(::openat(dir_fd, ".", kDirectory));
  if (!fd) return errno;
  DIR* const directory = ::fdopendir(fd.Get());
  if (directory == nullptr) return errno;
  (void)fd.Release();
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !visit(entry->d_name)) break;
  }
  ::closedir(directory);
  return error;
}

// Removes anything but a directory with something in it, for which it returns ENOTEMPTY.
int RemoveEntry(int dir_fd, const char* name) {
  if (::unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) return 0;
  const int error = errno;
  if (error != EISDIR && error != EPERM) return error;  // POSIX has EPERM for a directory
  if (::unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if (errno == ENOTDIR) return error;
  return errno == EEXIST ? ENOTEMPTY : errno;
}

// Empties a directory. Every directory in it is moved to the top, under a number, before it is
// emptied itself: then nothing is ever more than two levels deep, no way back up is needed (`..`
// leads out of the tree when somebody moves the directory away), and numbers up to `moved_` are all
// that has to be remembered.
class TreeRemover {
 public:
  explicit TreeRemover(int top) : top_(top) {}

  // An errno; 0 when nothing failed, though an entry may have been added meanwhile.
  int Pass() {
    error_ = 0;
    const int error = ForEachEntry(top_, [this](const char* name) {
      RemoveChild(name);
      while (handled_ < moved_ && !IsExhausted()) RemoveChild(std::to_string(handled_++).c_str());
      return !IsExhausted();
    });
    return error != 0 ? error : error_;
  }
  bool IsExhausted() const { return entries_ >= kMaxRemoved; }

 private:
  void RemoveChild(const char* name) {
    ++entries_;
    int error = RemoveEntry(top_, name);
    if (error != ENOTEMPTY) return Note(error);
    const OpenResult child = OpenDirectory(top_, name, kWritable);
    if (!child.fd) return Note(child.error);
    error = ForEachEntry(child.fd.Get(), [this, &child](const char* entry) {
      RemoveOrMoveUp(child.fd.Get(), entry);
      return !IsExhausted();
    });
    Note(error);
    Note(RemoveEntry(top_, name));
  }

  void RemoveOrMoveUp(int dir_fd, const char* name) {
    ++entries_;
    const int error = RemoveEntry(dir_fd, name);
    if (error != ENOTEMPTY) return Note(error);
    // The kernel writes the new `..` into the directory, and wants that to be permitted.
    const OpenResult directory = OpenDirectory(dir_fd, name, kWritable);
    if (!directory.fd) return Note(directory.error);
    while (!IsExhausted()) {
      const std::string target = std::to_string(moved_++);
      if (::renameat(dir_fd, name, top_, target.c_str()) == 0) return;
      // A number that the agent has used is removed as if it were one of ours.
      const bool taken =
          errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR || errno == EISDIR;
      if (!taken) return Note(errno);
      ++entries_;
    }
  }

  void Note(int error) {
    if (error_ == 0) error_ = error;
  }

  const int top_;
  std::size_t handled_ = 0;
  std::size_t moved_ = 0;
  std::size_t entries_ = 0;
  int error_ = 0;
};

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Sums up what a tree occupies. Has one descriptor, however deep the tree is: it goes back up by
// `..`, and gives up when that is not the directory it came from.
class TreeMeasure {
 public:
  std::uint64_t Bytes(int top) {
    UniqueFd at(::openat(top, ".", kDirectory));
    if (!at) return 0;
    Enter(at.Get());
    bytes_ += static_cast<std::uint64_t>(levels_.back().status.st_blocks) * 512;
    while (entries_ < kMaxMeasured) {
      std::vector<std::string>& pending = levels_.back().pending;
      if (!pending.empty()) {
        OpenResult down = OpenDirectory(at.Get(), pending.back().c_str(), kReadable);
        pending.pop_back();
        --pending_;
        if (!down.fd) continue;
        at = std::move(down.fd);
        Enter(at.Get());
        continue;
      }
      levels_.pop_back();
      if (levels_.empty()) break;
      UniqueFd up(::openat(at.Get(), "..", kDirectory));
      struct stat status{};
      if (!up || ::fstat(up.Get(), &status) != 0 || !IsSame(status, levels_.back().status)) break;
      at = std::move(up);
    }
    return bytes_;
  }

 private:
  struct Level {
    struct stat status{};
    std::vector<std::string> pending;  // directories yet to be entered
  };

  void Enter(int fd) {
    Level level;
    ::fstat(fd, &level.status);
    ForEachEntry(fd, [this, fd, &level](const char* name) {
      struct stat status{};
      if (::fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return true;
      const auto bytes = static_cast<std::uint64_t>(status.st_blocks) * 512;
      if (S_ISDIR(status.st_mode)) {
        bytes_ += bytes;
        if (pending_ < kMaxPending) level.pending.emplace_back(name), ++pending_;
      } else {
        // A thousand links of one file must not push everybody else's reports out.
        bytes_ += bytes / std::max<std::uint64_t>(status.st_nlink, 1);
      }
      return ++entries_ < kMaxMeasured;
    });
    levels_.push_back(std::move(level));
  }

  std::uint64_t bytes_ = 0;
  std::size_t entries_ = 0;
  std::size_t pending_ = 0;
  std::vector<Level> levels_;
};

bool IsWorkspaceName(std::string_view name) {
  if (!IsLowerCaseUuid(name.substr(0, kUuidSize))) return false;
  const std::string_view rest = name.substr(kUuidSize);
  return rest.empty() || (rest.size() > 1 && rest.front() == '.' &&
                          rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

// A time set into the future by the agent would keep its workspace forever; the time of the last
// change cannot be set, and otherwise is never the earlier one. Beyond the clamp, nanoseconds
// overflow.
WallTime ModifiedAt(const struct stat& status) {
  const auto m = std::pair(status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  const auto c = std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
  const auto [seconds, nanoseconds] = std::min(m, c);
  return WallTime(std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 9'000'000'000)) +
                  std::chrono::nanoseconds(nanoseconds));
}

// A workspace that nobody runs in, and that stays so while it is locked.
struct IdleWorkspace {
  std::string name;
  bool finished = false;
  WallTime modified;
  std::uint64_t bytes = 0;
  UniqueFd lock;
};

class Retention {
 public:
  Retention(int root, const RetentionLimits& limits, WallTime now)
      : root_(root), limits_(limits), now_(now) {}

  RetentionResult Run(const std::set<std::string>& keep) {
    std::vector<std::string> leftovers;
    std::vector<std::string> names;
    const int error = ForEachEntry(root_, [&](std::string_view name) {
      if (name.starts_with(kRemoving) && IsWorkspaceName(name.substr(kRemoving.size()))) {
        leftovers.emplace_back(name);
      } else if (IsWorkspaceName(name) && !keep.contains(std::string(name.substr(0, kUuidSize)))) {
        names.emplace_back(name);
      }
      return true;
    });
    Check("workspace root", "list", error);
    for (const std::string& name : leftovers) Check(name, "remove", RemoveTree(root_, name));

    std::vector<IdleWorkspace> found;
    for (const std::string& name : names) {
      auto workspace = Lock(name);
      if (!workspace) continue;
      workspace->bytes = TreeMeasure().Bytes(workspace->lock.Get());
      workspace->lock.Reset();
      found.push_back(std::move(*workspace));
    }
    RemoveOldest(std::move(found));
    return std::move(result_);
  }

 private:
  void RemoveOldest(std::vector<IdleWorkspace> found) {
    std::sort(found.begin(), found.end(), [](const IdleWorkspace& a, const IdleWorkspace& b) {
      return std::tie(a.modified, a.name) < std::tie(b.modified, b.name);
    });
    std::uint64_t total = 0;
    for (const IdleWorkspace& each : found) total += each.finished ? each.bytes : 0;
    for (const IdleWorkspace& each : found) {
      const bool over = each.finished && limits_.max_bytes != 0 && total > limits_.max_bytes;
      const bool goes = over || IsExpired(each.modified);
      // Also when it fails: others must not go for the one that cannot be removed.
      if (goes && each.finished) total -= each.bytes;
      if (goes && Remove(each)) {
        ++result_.removed;
        result_.bytes_removed += each.bytes;
      } else if (each.finished) {
        result_.bytes_kept += each.bytes;
      }
    }
  }

  // None: it runs, is not a directory, or is neither finished nor old enough.
  std::optional<IdleWorkspace> Lock(const std::string& name) {
    OpenResult opened = OpenDirectory(root_, name.c_str(), kReadable);
    if (opened.error == ENOTDIR || opened.error == ENOENT) return std::nullopt;
    if (!Check(name, "open", opened.error)) return std::nullopt;
    struct stat status{};
    const bool has_result =
        ::fstatat(opened.fd.Get(), "result.json", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode);
    if (!has_result && ::fstat(opened.fd.Get(), &status) != 0) return std::nullopt;
    const bool finished = has_result || name.size() > kUuidSize;
    // Looked at before it is locked: a shim about to start must find its workspace free.
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
    // A crash from here on leaves something that the next call knows for what it is, and a new
    // attempt can have the name.
    const std::string target = std::string(kRemoving) + name;
    if (!IsNamed(workspace->lock.Get(), name)) return false;
    const int error = ::renameat(root_, name.c_str(), root_, target.c_str()) == 0 ? 0 : errno;
    if (!Check(name, "rename", error)) return false;
    if (!IsNamed(workspace->lock.Get(), target)) {
      // A new attempt has just taken the name: give it back.
      ::renameat2(root_, target.c_str(), root_, name.c_str(), RENAME_NOREPLACE);
      return Check(name, "rename", EAGAIN);
    }
    return Check(name, "remove", RemoveTree(root_, target));
  }

  bool IsNamed(int fd, const std::string& name) const {
    struct stat own{};
    struct stat named{};
    return ::fstat(fd, &own) == 0 &&
           ::fstatat(root_, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && IsSame(own, named);
  }

  bool IsExpired(WallTime modified) const {
    return limits_.max_age > Duration::zero() && modified < now_ - limits_.max_age;
  }

  bool Check(const std::string& name, const char* what, int error) {
    if (error != 0 && result_.errors.size() < kMaxErrors) {
      result_.errors.push_back(name + ": " + what + ": " + std::generic_category().message(error));
    }
    return error == 0;
  }

  const int root_;
  const RetentionLimits limits_;
  const WallTime now_;
  RetentionResult result_;
};

}  // namespace

RetentionResult EnforceRetention(const std::filesystem::path& root, const RetentionLimits& limits,
                                 WallTime now, const std::set<std::string>& keep) {
  const UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return Retention(fd.Get(), limits, now).Run(keep);
  RetentionResult result;  // without a root there is nothing to keep or remove
  const int error = errno;
  if (error != ENOENT) {
    result.errors.push_back("workspace root: open: " + std::generic_category().message(error));
  }
  return result;
}

int RemoveTree(int dir_fd, const std::string& name) {
  const bool is_name = !name.empty() && name != "." && name != ".." &&
                       name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
  if (!is_name) return EINVAL;
  int error = RemoveEntry(dir_fd, name.c_str());
  if (error != ENOTEMPTY) return error;
  const OpenResult top = OpenDirectory(dir_fd, name.c_str(), kWritable);
  if (!top.fd) return top.error;
  TreeRemover remover(top.fd.Get());
  // More than one pass for what is added meanwhile, and for file systems whose readdir(3) skips
  // entries when others are removed.
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    const int failed = remover.Pass();
    error = RemoveEntry(dir_fd, name.c_str());
    if (error != ENOTEMPTY) return error;
    if (remover.IsExhausted()) return EAGAIN;
    if (failed != 0) error = failed;
  }
  return error;
}

}  // namespace runner::executor
