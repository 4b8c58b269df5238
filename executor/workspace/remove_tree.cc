#include "executor/workspace/remove_tree.h"

#include <cerrno>
#include <cstddef>
#include <string_view>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/directory.h"

namespace runner::executor {
namespace {

constexpr std::size_t kMaxRemoved = 10'000'000;
constexpr int kMaxPasses = 8;
constexpr mode_t kWritable = S_IRWXU;

// Removes an entry that is not a directory, or an empty directory. Returns ENOTEMPTY for any other
// directory.
int RemoveEntry(int dir_fd, const char* name) {
  if (::unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) return 0;
  const int error = errno;
  if (error != EISDIR && error != EPERM) return error;  // POSIX specifies EPERM for a directory
  if (::unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if (errno == ENOTDIR) return error;
  return errno == EEXIST ? ENOTEMPTY : errno;
}

// Empties a directory. Every subdirectory is moved to the top, under a number, before it is
// emptied: the tree is then never more than two levels deep. No way back up is needed (`..` leads
// out of the tree if another process moves the directory), and only the numbers up to `moved_` must
// be remembered.
class TreeRemover {
 public:
  TreeRemover(int top, const std::atomic<bool>* stop) : top_(top), stop_(stop) {}

  // Returns an errno; 0 if nothing failed, although entries may have been added meanwhile.
  int Pass() {
    error_ = 0;
    const int error = ForEachEntry(top_, [this](const char* name) {
      RemoveChild(name);
      while (handled_ < moved_ && !IsExhausted()) RemoveChild(std::to_string(handled_++).c_str());
      return !IsExhausted();
    });
    return error != 0 ? error : error_;
  }
  bool IsExhausted() const {
    return entries_ >= kMaxRemoved || (stop_ != nullptr && stop_->load(std::memory_order_relaxed));
  }

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
    // The kernel updates `..` of a directory that it moves, which needs write permission for the
    // directory.
    const OpenResult directory = OpenDirectory(dir_fd, name, kWritable);
    if (!directory.fd) return Note(directory.error);
    while (!IsExhausted()) {
      const std::string target = std::to_string(moved_++);
      if (::renameat(dir_fd, name, top_, target.c_str()) == 0) return;
      // An entry of the agent whose name is such a number is removed like the others.
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
  const std::atomic<bool>* const stop_;
  std::size_t handled_ = 0;
  std::size_t moved_ = 0;
  std::size_t entries_ = 0;
  int error_ = 0;
};

}  // namespace

int RemoveTree(int dir_fd, const std::string& name, const std::atomic<bool>* stop) {
  const bool is_name = !name.empty() && name != "." && name != ".." &&
                       name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
  if (!is_name) return EINVAL;
  int error = RemoveEntry(dir_fd, name.c_str());
  if (error != ENOTEMPTY) return error;
  const OpenResult top = OpenDirectory(dir_fd, name.c_str(), kWritable);
  if (!top.fd) return top.error;
  TreeRemover remover(top.fd.Get(), stop);
  // Several passes, because of entries that are added meanwhile, and of file systems whose
  // readdir(3) skips entries while others are removed.
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
