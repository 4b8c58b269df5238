#include "common/heap.h"

#include <malloc.h>

namespace runner {

void ReturnFreedMemory() {
  // The default of glibc. To set it stops the adjustment of both thresholds.
  constexpr int kTrimThreshold = 128 * 1024;
  ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
}

void TrimHeap() { ::malloc_trim(0); }

}  // namespace runner
