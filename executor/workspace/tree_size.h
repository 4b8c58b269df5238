#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_set>

#include <sys/types.h>

namespace runner::executor {

// Files with several links, or names, that have been counted. Remembers 100,000 of them; others are
// counted with every link.
class SeenLinks {
 public:
  // Returns true if the file was not counted yet, or cannot be remembered.
  bool Add(dev_t device, ino_t inode) {
    return seen_.size() >= kMax ? !seen_.contains({device, inode})
                                : seen_.insert({device, inode}).second;
  }

 private:
  static constexpr std::size_t kMax = 100'000;
  struct File {
    dev_t device;
    ino_t inode;
    bool operator==(const File&) const = default;
  };
  struct Hash {
    std::size_t operator()(const File& file) const {
      return std::hash<ino_t>()(file.inode) ^ (std::hash<dev_t>()(file.device) << 1);
    }
  };
  std::unordered_set<File, Hash> seen_;
};

// Bytes of disk that a directory and everything beneath it occupy, links not followed, a file with
// several links once for the same `links`; of the first 1,000,000 entries. Directories that their
// owner may not read are made readable. What cannot be read counts as nothing. Returns soon after
// `stop` has become true, with what was counted by then.
std::uint64_t TreeSize(int directory_fd, SeenLinks& links, const std::atomic<bool>* stop = nullptr);

}  // namespace runner::executor
