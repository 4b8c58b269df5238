#pragma once

#include <cstddef>
#include <functional>
#include <unordered_set>

#include <sys/types.h>

namespace runner {

// The files with several links that have been counted. Remembers 100,000 files; further files are
// counted once for each link.
class SeenLinks {
 public:
  // Returns true if the file has not been counted yet, or cannot be remembered.
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

}  // namespace runner
