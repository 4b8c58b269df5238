#pragma once

#include <cstdint>
#include <optional>
#include <string>

struct stat;

namespace runner {

// What changes when a file does: when it is written, and when another one takes its place, by a
// rename or because a symbolic link on the way to it leads elsewhere.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  bool operator==(const FileIdentity&) const = default;
};

FileIdentity IdentityOf(const struct stat& status);
// stat(2), through symbolic links. Nothing when that fails.
std::optional<FileIdentity> IdentityOf(const std::string& path);

}  // namespace runner
