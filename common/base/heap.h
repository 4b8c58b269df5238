#pragma once

#include <cstddef>

namespace runner {

// Makes malloc(3) return freed memory to the kernel early. By default glibc raises its thresholds
// to the size of a large block that is freed (mallopt(3), M_MMAP_THRESHOLD), and each arena then
// keeps up to 64 MiB. Call it before threads start.
void ReturnFreedMemory();

// The bytes of this process that no file backs (proc(5), statm). 0 if they cannot be read, and in
// programs with a sanitizer, which keeps freed memory. Any thread.
std::size_t AnonymousMemory();

// Returns all free pages of every arena to the kernel (malloc_trim(3)), including those below a
// block in use. Takes some milliseconds for each 100 MB. Any thread.
void TrimHeap();

}  // namespace runner
