#pragma once

#include <cstddef>

#include <sys/types.h>

namespace runner::executor {

// Calls `visit(child, context)` with every child of this process, zombies included: those of all
// its threads, from /proc/self/task/TID/children (proc(5)), or by the parent's number in
// /proc/PID/stat where the kernel has no such file. The list is a moment's: children that come
// while it is read may be missing, so callers repeat. False when the list could not be read whole
// (no descriptor was free, for one): then it says nothing. Allocates; not for use between fork and
// exec.
using VisitChild = void (*)(pid_t child, void* context);
bool ForEachChild(VisitChild visit, void* context);

// The child of this process that the process is, or descends from: a child of a child and so on. 0
// for one that is gone, or not below this one.
pid_t ChildAbove(pid_t pid);

// The ids of the threads that the process has, up to `max`. Returns how many; 0 when they cannot be
// read.
std::size_t ListThreads(pid_t process, pid_t* ids, std::size_t max);

}  // namespace runner::executor
