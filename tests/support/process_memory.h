#pragma once

#include <cstddef>
#include <fstream>
#include <string>

#include <sys/types.h>

namespace runner::support {

// True if this build has a sanitizer. A sanitizer keeps freed memory and adds shadow memory, so
// resident memory has no meaning.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// Returns the value of a kB line of /proc/PID/status in bytes; 0 if there is none (proc(5)).
inline std::size_t StatusBytes(pid_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    std::size_t kilobytes = 0;
    if (word == key + ":" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// The resident memory of a process, and its peak.
inline std::size_t ResidentMemory(pid_t pid) { return StatusBytes(pid, "VmRSS"); }
inline std::size_t PeakResidentMemory(pid_t pid) { return StatusBytes(pid, "VmHWM"); }

}  // namespace runner::support
