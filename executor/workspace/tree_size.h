#pragma once

#include <atomic>
#include <cstdint>

#include "common/base/seen_links.h"

namespace runner::executor {

// Bytes of disk that a directory and everything beneath it occupy, links not followed, a file with
// several links once for the same `links`; of the first 1,000,000 entries. Directories that their
// owner may not read are made readable. What cannot be read counts as nothing. Returns soon after
// `stop` has become true, with what was counted by then.
std::uint64_t TreeSize(int directory_fd, SeenLinks& links, const std::atomic<bool>* stop = nullptr);

}  // namespace runner::executor
