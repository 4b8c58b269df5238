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

// Names of the spool in the workspace root, and of spools that cannot be used: a number follows, or
// a UUID when kMaxSpoolsAside numbers are taken.
inline constexpr std::string_view kSpoolName = ".spool";
inline constexpr std::string_view kSpoolAside = ".spool.bad-";
inline constexpr int kMaxSpoolsAside = 16;

// How much of the past stays under the workspace root. 0: that limit is off.
struct RetentionLimits {
  Duration max_age{};
  std::uint64_t max_bytes = 0;  // of all finished workspaces together
};

// When an entry was made: seconds and nanoseconds since the epoch, as statx(2) reports them.
using BirthTime = std::pair<std::int64_t, std::uint32_t>;

struct RetentionResult {
  std::size_t removed = 0;  // entries; leftovers of an earlier call are not counted
  std::uint64_t bytes_removed = 0;
  std::uint64_t bytes_kept = 0;     // of the finished workspaces that are still there
  std::vector<std::string> errors;  // "name: what: why", the first 16
  // The birth of the oldest spool, if known. The next call needs it: agents can replace the spool.
  std::optional<BirthTime> spool_born;
};

// Removes finished workspaces in `root`, oldest first, until the limits are kept. A workspace is a
// directory <incident-id> or <incident-id>.<n>, finished when it is the latter, or holds a regular
// file result.json, or has been left alone for a minute; one that is not finished goes by age only.
// Any other entry that begins with an incident id or with kSpoolAside (an agent has moved its
// workspace, the executor a broken spool) goes as a workspace does. So does any entry at all that
// was made after the oldest spool that is known: the spool, broken ones, or `spool_born`. The
// oldest broken spools beyond kMaxSpoolsAside go whatever their age.
//
// Never touched: the spool, lost+found, what was there before that spool, mounts, what is locked
// (flock(2): its shim lives), and any attempt of an incident in `keep`.
//
// Age is that of result.json, else of the entry. Bytes are what the tree occupies on disk, of its
// first 1,000,000 entries, a file with several links once in the whole root. A directory that its
// owner may not read is made readable for that.
//
// Blocks for as long as the file system takes. One call at a time per root; other threads may make
// workspaces meanwhile, whose incident either is in `keep` or is not a minute old. Returns soon
// after `stop` has become true.
RetentionResult EnforceRetention(const std::filesystem::path& root, const RetentionLimits& limits,
                                 WallTime now, const std::set<std::string>& keep,
                                 const std::atomic<bool>* stop = nullptr,
                                 std::optional<BirthTime> spool_born = std::nullopt);

}  // namespace runner::executor
