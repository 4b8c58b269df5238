#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace runner::executor {

// Names of the spool in the workspace root, and of broken spools: followed by a number, or by a
// UUID if kMaxSpoolsAside numbers are taken.
inline constexpr std::string_view kSpoolName = ".spool";
inline constexpr std::string_view kSpoolAside = ".spool.bad-";
inline constexpr int kMaxSpoolsAside = 16;

// Limits of what stays under the workspace root; 0: no limit.
struct RetentionLimits {
  Duration max_age{};
  std::uint64_t max_bytes = 0;  // of all finished workspaces together
};

// The creation time of an entry: seconds and nanoseconds since the epoch, from statx(2).
using BirthTime = std::pair<std::int64_t, std::uint32_t>;

struct RetentionResult {
  std::size_t removed = 0;  // entries; leftovers of an earlier call are not counted
  std::uint64_t bytes_removed = 0;
  std::uint64_t bytes_kept = 0;     // of the remaining finished workspaces
  std::vector<std::string> errors;  // "name: what: why", the first 16
  // The creation time of the oldest spool, if known. Pass it to the next call, since agents can
  // replace the spool.
  std::optional<BirthTime> spool_born;
};

// Removes finished workspaces in `root`, oldest first, until the limits are kept. A workspace is a
// directory <incident-id> or <incident-id>.<n>. It is finished if it has the latter name, holds a
// regular file result.json, or was not changed for a minute; an unfinished one is removed by age
// only. Any other entry that begins with an incident id or with kSpoolAside (an agent has moved its
// workspace, or the executor a broken spool) is removed like a workspace. So is any entry that was
// created after the oldest known spool: the spool, broken ones, or `spool_born`. The oldest broken
// spools beyond kMaxSpoolsAside are removed regardless of age.
//
// Never removed: the spool, lost+found, entries older than that spool, mounts, locked workspaces
// (flock(2): the shim lives), and all attempts of the incidents in `keep`.
//
// The age is that of result.json, else of the entry. The size is the disk space of the tree, of its
// first 1,000,000 entries; a file with several links counts once in the whole root. A directory
// that its owner may not read is made readable.
//
// Blocks for as long as the file system takes. One call at a time for a root; other threads may
// create workspaces meanwhile, if their incident is in `keep` or they are less than a minute old.
// Returns soon after `stop` has become true.
RetentionResult EnforceRetention(const std::filesystem::path& root, const RetentionLimits& limits,
                                 WallTime now, const std::set<std::string>& keep,
                                 const std::atomic<bool>* stop = nullptr,
                                 std::optional<BirthTime> spool_born = std::nullopt);

}  // namespace runner::executor
