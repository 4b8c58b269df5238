#pragma once

#include <functional>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "executor/workspace/beneath.h"

namespace runner::executor {

// Directories that an agent may change while they are looked at.

// Opens the directory `name` in `dir_fd` for reading after giving its owner the permissions
// `needed` (of S_IRWXU). Neither a symbolic link is followed nor a mount entered (EXDEV): what it
// shows is not beneath.
OpenResult OpenDirectory(int dir_fd, const char* name, mode_t needed);

// Calls `visit` with every name in the directory but "." and "..", until it returns false. An
// errno; 0 on success.
int ForEachEntry(int dir_fd, const std::function<bool(const char* name)>& visit);

inline bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace runner::executor
