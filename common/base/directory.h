#pragma once

#include <functional>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "common/base/open_beneath.h"

namespace runner {

// Directories that an agent may change while they are looked at.

// Opens the directory `name` in `dir_fd` for reading after giving its owner the permissions
// `needed` (of S_IRWXU). Neither a symbolic link is followed nor a mount entered (EXDEV): what it
// shows is not beneath.
OpenResult OpenDirectory(int dir_fd, const char* name, mode_t needed);

// Calls `visit` with every name in the directory but "." and "..", until it returns false. An
// errno; 0 on success.
int ForEachEntry(int dir_fd, const std::function<bool(const char* name)>& visit);

// The new name of an entry, or why it has none: an errno.
struct MovedAside {
  std::string name;
  int error = 0;
};

// Renames `name` in `dir_fd` to the first free `prefix<n>`, n from 1 to `most` (EEXIST when there
// is none). Without an entry of that name it does nothing, and the new name is empty.
MovedAside MoveAside(int dir_fd, const std::string& name, const std::string& prefix, int most);

inline bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace runner
