#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/domain/incident.h"
#include "executor/shim/record.h"

namespace runner::executor {

// The spool, <workspace-root>/.spool: records of shims whose results ingest has not acknowledged.
// Agents can reach it: an entry in its place is repaired or moved aside, to
// <workspace-root>/.spool.bad-<n>. Only retention removes what was moved aside, since agents
// control how long that takes. Not thread-safe.
class Spool {
 public:
  // Bound on the entries that one call of Records reads or moves aside.
  static constexpr std::size_t kMaxListed = 10'000;
  static constexpr std::size_t kMaxMoved = 100'000;

  // Creates the root and the directory (0700) if missing, gives their owner all permissions, and
  // moves aside a spool that is not a directory. Throws std::runtime_error with advice if the root
  // cannot be used.
  explicit Spool(const std::filesystem::path& workspace_root);

  // Takes the lock of the spool. True for one process at a time, which alone may deliver the
  // results of earlier ones. Held for the lifetime of this object.
  bool Claim();
  // Repairs the damage that an agent may have done. A failure shows at the next write.
  void Ensure();
  // Repairs since the last call, for the log.
  std::vector<std::string> TakeRepairs();

  std::filesystem::path FileOf(const Lease& lease) const;

  // Entries that Records could not use.
  struct UnusableEntries {
    std::size_t moved = 0;
    std::size_t failed = 0;          // could not be moved aside
    std::string directory;           // where they were moved, a name in the root
    std::vector<std::string> names;  // the first kMaxNamed
    static constexpr std::size_t kMaxNamed = 5;
  };
  struct Stock {
    std::vector<std::pair<Lease, ShimRecord>> records;  // the first kMaxListed
    std::size_t unreadable = 0;  // unreadable files, which may be records and stay
    int list_errno = 0;          // not 0: listing the spool failed before its end
    UnusableEntries unusable;
  };
  // Returns all records; requires Claim. Moves aside every other entry, except temporary files that
  // are younger than a minute, which a shim may be writing, and files that cannot be read now (for
  // lack of descriptors, for example), which the next call tries again.
  Stock Records();
  // Returns nothing if there is no readable record of this lease. Agents can write to the spool: a
  // record counts only if its shim is proven to have exited with 0.
  std::optional<ShimRecord> Load(const Lease& lease) const;
  // Deletes the record of a lease, if there is one.
  void Remove(const Lease& lease) const;

 private:
  // Returns why the root cannot be used; empty: it can.
  std::string Repair();
  std::string RepairSpool(int root);
  // A record, or the errno of reading the file. Neither: the content is not a record.
  struct Loaded {
    std::optional<ShimRecord> record;
    int error = 0;
  };
  Loaded TryLoad(const Lease& lease) const;
  UnusableEntries MoveUnusable(const std::vector<std::string>& names) const;

  std::filesystem::path root_;       // absolute
  std::filesystem::path directory_;  // absolute
  std::vector<std::string> repairs_;
  UniqueFd claim_;
};

// Parses a record as a shim writes it. Returns nothing if the document is not one, or a number in
// it is out of range.
std::optional<ShimRecord> ParseShimRecord(std::string_view document);

}  // namespace runner::executor
