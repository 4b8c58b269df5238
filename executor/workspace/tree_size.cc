#include "executor/workspace/tree_size.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/directory.h"

namespace runner::executor {
namespace {

constexpr std::size_t kMaxMeasured = 1'000'000;
constexpr std::size_t kMaxPending = 100'000;  // names in memory: at most 30 MB
constexpr mode_t kReadable = S_IRUSR | S_IXUSR;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Sums up the disk space of a tree. Uses one descriptor at any depth: it returns to the parent by
// `..`, and gives up if that is not the directory that it came from.
class TreeMeasure {
 public:
  TreeMeasure(SeenLinks& links, const std::atomic<bool>* stop) : links_(links), stop_(stop) {}

  std::uint64_t Bytes(int top) {
    UniqueFd at(::openat(top, ".", kDirectory));
    if (!at) return 0;
    Enter(at.Get());
    bytes_ += static_cast<std::uint64_t>(levels_.back().status.st_blocks) * 512;
    while (!IsOver()) {
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
      if (!up || ::fstat(up.Get(), &status) != 0 || !IsSameFile(status, levels_.back().status))
        break;
      at = std::move(up);
    }
    return bytes_;
  }

 private:
  struct Level {
    struct stat status{};
    std::vector<std::string> pending;  // directories still to enter
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
      } else if (status.st_nlink <= 1 || links_.Add(status.st_dev, status.st_ino)) {
        bytes_ += bytes;
      }
      ++entries_;
      return !IsOver();
    });
    levels_.push_back(std::move(level));
  }

  bool IsOver() const {
    return entries_ >= kMaxMeasured || (stop_ != nullptr && stop_->load(std::memory_order_relaxed));
  }

  SeenLinks& links_;
  const std::atomic<bool>* const stop_;
  std::uint64_t bytes_ = 0;
  std::size_t entries_ = 0;
  std::size_t pending_ = 0;
  std::vector<Level> levels_;
};

}  // namespace

std::uint64_t TreeSize(int directory_fd, SeenLinks& links, const std::atomic<bool>* stop) {
  return TreeMeasure(links, stop).Bytes(directory_fd);
}

}  // namespace runner::executor
