#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace runner {

// A file in memory (memfd_create(2)) with a path by which this process can open it, for libraries
// that take paths only. Its text is replaced whole: whoever opens the path finds all of the old one
// or all of the new one, and the time of modification tells them apart, also by the second.
//
// The path is good while this lives. Not thread-safe, but for those who open the path.
class MemfdFile {
 public:
  // Throws std::system_error, as Replace does.
  explicit MemfdFile(const std::string& text);

  void Replace(const std::string& text);
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.Get()); }

 private:
  UniqueFd Make(const std::string& text);

  int version_ = 0;
  UniqueFd fd_;
};

}  // namespace runner
