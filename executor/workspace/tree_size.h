#pragma once

#include <atomic>
#include <cstdint>

#include "common/base/seen_links.h"

namespace runner::executor {

// Returns the bytes of disk space that a directory and everything beneath occupy, of the first
// 1,000,000 entries. Links are not followed; a file with several links counts once for the same
// `links`. Directories that their owner may not read are made readable. What cannot be read counts
// as 0. Returns soon after `stop` has become true, with the sum so far.
std::uint64_t TreeSize(int directory_fd, SeenLinks& links, const std::atomic<bool>* stop = nullptr);

}  // namespace runner::executor
