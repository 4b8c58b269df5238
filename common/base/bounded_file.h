#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "common/base/file_identity.h"

namespace runner {

// A file that was read completely.
struct BoundedFile {
  std::string text;
  FileIdentity identity;  // of the file that was read; the path may name another one since
};

// Reads a regular file of at max_bytes `max_bytes` bytes; follows symbolic links. Never blocks:
// files of other kinds are not opened. On failure returns the reason as text for people, without
// the path and the content of the file.
std::variant<BoundedFile, std::string> ReadBoundedFile(const std::string& path,
                                                       std::size_t max_bytes);

}  // namespace runner
