#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace runner {

// A descriptor, or why there is none.
struct OpenResult {
  UniqueFd fd;
  int error = 0;  // an errno; 0 when fd is valid
};

// Opens `path`, which is relative, inside the directory `dir_fd`: `..`, absolute paths and symbolic
// links in any component are refused (ELOOP, EXDEV), so that what an agent leaves in its workspace
// cannot lead out of it. Never blocks on a FIFO (O_NONBLOCK). Close-on-exec. By openat2(2), or
// component by component where that call is missing.
OpenResult OpenBeneath(int dir_fd, const std::string& path, int flags);

// The fallback of OpenBeneath. Exposed for tests.
OpenResult OpenBeneathByComponents(int dir_fd, const std::string& path, int flags);

}  // namespace runner
