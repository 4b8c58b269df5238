#pragma once

#include <cstddef>
#include <fstream>

#include <unistd.h>

namespace runner {

// Bytes of memory that this process holds. Under a sanitizer, which keeps what was freed, this says
// nothing: then 0.
inline std::size_t ResidentMemory() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return 0;
#endif
#endif
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace runner
