#pragma once

#include <cstddef>

namespace runner {

// Makes malloc(3) return freed memory to the kernel early. By default glibc raises its thresholds
// by the size of a large block that is freed (mallopt(3), M_MMAP_THRESHOLD), and each arena then
// keeps up to 64 MiB. Call it before threads start.
void ReturnFreedMemory();

// The memory of this process that no file backs, in bytes (proc(5), statm); 0 when it cannot be
// read, and in programs with a sanitizer, which keeps what is freed. Any thread.
std::size_t AnonymousMemory();

// Returns all free pages of every arena now (malloc_trim(3)), also those below a block in use. It
// takes some milliseconds for each 100 MB. Any thread.
void TrimHeap();

}  // namespace runner
