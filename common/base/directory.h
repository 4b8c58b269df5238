#pragma once

#include <functional>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "common/base/open_beneath.h"

namespace runner {

// Operations on directories that an agent may change at the same time.

// Opens the directory `name` in `dir_fd` for reading after adding the permissions `needed` (of
// S_IRWXU) for its owner. Does not follow a symbolic link or enter a mount (EXDEV): their content
// does not belong to this tree.
OpenResult OpenDirectory(int dir_fd, const char* name, mode_t needed);

// Calls `visit` with every name in the directory except "." and "..", until it returns false.
// Returns an errno; 0 on success.
int ForEachEntry(int dir_fd, const std::function<bool(const char* name)>& visit);

// The new name of an entry, or the errno that prevented the rename.
struct MovedAside {
  std::string name;
  int error = 0;
};

// Renames `name` in `dir_fd` to the first free `prefix<n>`, n from 1 to `max` (EEXIST if none is
// free). If there is no such entry, does nothing and returns an empty new name.
MovedAside MoveAside(int dir_fd, const std::string& name, const std::string& prefix, int max);

inline bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace runner
