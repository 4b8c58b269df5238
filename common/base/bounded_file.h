#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "common/base/file_identity.h"

namespace runner {

// A file that was read whole.
struct BoundedFile {
  std::string text;
  FileIdentity identity;  // of what was read, which the path may not lead to any more
};

// Reads a regular file of at most `most` bytes, through symbolic links. Waits for nobody: other
// kinds of files are not opened. The alternative says why not, for people; it repeats nothing of
// the file, nor its path.
std::variant<BoundedFile, std::string> ReadBoundedFile(const std::string& path, std::size_t most);

}  // namespace runner
