#pragma once

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

// Whether the process is below this one: a child, a child of a child and so on. False for one that
// is gone.
bool DescendsFromThis(pid_t pid);

}  // namespace runner::executor
