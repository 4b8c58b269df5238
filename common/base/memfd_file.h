#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace runner {

// A file in memory (memfd_create(2)) with a path by which this process can open it, for libraries
// that accept only paths. Replace exchanges the text in one step: a reader that opens the path gets
// all of the old text or all of the new one. Their modification times differ, also in whole
// seconds.
//
// The path is valid for the lifetime of this object. Not thread-safe, except for readers of the
// path.
class MemfdFile {
 public:
  // Throws std::system_error; so does Replace.
  explicit MemfdFile(const std::string& text);

  void Replace(const std::string& text);
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.Get()); }

 private:
  UniqueFd Make(const std::string& text);

  int version_ = 0;
  UniqueFd fd_;
};

}  // namespace runner
