#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace runner {

// A descriptor, or the errno of the failure.
struct OpenResult {
  UniqueFd fd;
  int error = 0;  // 0 if fd is valid
};

// Opens the relative `path` inside the directory `dir_fd`. Rejects `..`, absolute paths and
// symbolic links in any component (ELOOP, EXDEV), so that an agent's workspace cannot lead out of
// itself. Never blocks on a FIFO (O_NONBLOCK). Close-on-exec. Uses openat2(2), or opens component
// by component if that call is not available.
OpenResult OpenBeneath(int dir_fd, const std::string& path, int flags);

// The fallback of OpenBeneath. Exposed for tests.
OpenResult OpenBeneathByComponents(int dir_fd, const std::string& path, int flags);

}  // namespace runner
