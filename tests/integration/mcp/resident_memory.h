#pragma once

#include <cstddef>

#include <unistd.h>

#include "tests/support/process_memory.h"

namespace runner {

// Bytes of memory that this process holds. Under a sanitizer that says nothing: then 0.
inline std::size_t ResidentMemory() {
  return support::kSanitized ? 0 : support::ResidentMemory(::getpid());
}

}  // namespace runner
