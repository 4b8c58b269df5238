#pragma once

#include <string>

namespace runner {

// What this binary was built from, as known when the build was configured.
struct BuildInfo {
  std::string version;     // 0.1.0
  std::string git_commit;  // the full hash, or "unknown" outside a git work tree
  std::string build_date;  // RFC 3339, UTC; that of SOURCE_DATE_EPOCH when it is set
};

BuildInfo GetBuildInfo();

}  // namespace runner
