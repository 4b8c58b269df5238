#pragma once

#include <string>

namespace runner {

// The sources of this binary, as known when the build was configured.
struct BuildInfo {
  std::string version;     // e.g. 0.1.0
  std::string git_commit;  // full hash; "unknown" outside a git work tree
  std::string build_date;  // RFC 3339, UTC; SOURCE_DATE_EPOCH if set
};

BuildInfo GetBuildInfo();

}  // namespace runner
