#pragma once

#include <cstddef>

#include <sys/types.h>

namespace runner::executor {

// Calls `visit(child, context)` for every child of this process, including zombies and the children
// of all its threads. Reads /proc/self/task/TID/children (proc(5)), or the parent in /proc/PID/stat
// if the kernel has no such file. Children that arrive during the call may be missing, so callers
// repeat it. Returns false if the list could not be read completely (no free descriptor, for
// example); then the list proves nothing. Allocates memory; not for use between fork and exec.
using VisitChild = void (*)(pid_t child, void* context);
bool ForEachChild(VisitChild visit, void* context);

// Returns the child of this process that is `pid` or an ancestor of it. Returns 0 if `pid` is gone
// or not a descendant of this process.
pid_t ChildAbove(pid_t pid);

// Lists the thread ids of the process, up to `max`. Returns their number; 0 if they cannot be read.
std::size_t ListThreads(pid_t process, pid_t* ids, std::size_t max);

}  // namespace runner::executor
