#include "common/base/heap.h"

#include <cstdio>
#include <memory>

#include <malloc.h>
#include <unistd.h>

namespace runner {

void ReturnFreedMemory() {
  // The default of glibc. Setting it stops the adjustment of both thresholds.
  constexpr int kTrimThreshold = 128 * 1024;
  ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
}

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

}  // namespace

std::size_t AnonymousMemory() {
  if (kSanitized) return 0;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             &std::fclose);
  std::size_t resident = 0;
  std::size_t shared = 0;
  if (!file || std::fscanf(file.get(), "%*u %zu %zu", &resident, &shared) != 2) return 0;
  return (resident - shared) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

void TrimHeap() { ::malloc_trim(0); }

}  // namespace runner
