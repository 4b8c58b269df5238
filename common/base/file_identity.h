#pragma once

#include <cstdint>
#include <optional>
#include <string>

struct stat;

namespace runner {

// Attributes that change when a file is written, or when a rename or a changed symbolic link puts
// another file in its place.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  bool operator==(const FileIdentity&) const = default;
};

FileIdentity IdentityOf(const struct stat& status);
// Calls stat(2), which follows symbolic links. Returns nothing if it fails.
std::optional<FileIdentity> IdentityOf(const std::string& path);

}  // namespace runner
