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

// <workspace-root>/.spool: the records that shims have left and that nobody has acknowledged yet.
// Agents can reach it: an entry in its place is repaired or moved aside, to
// <workspace-root>/.spool.bad-<n>. Only retention removes what is moved aside: agents decide how
// long that takes. Not thread-safe.
class Spool {
 public:
  // Entries of the spool that are looked at, or moved aside, in one call of Records.
  static constexpr std::size_t kMaxListed = 10'000;
  static constexpr std::size_t kMaxMoved = 100'000;

  // Makes the root and the directory (0700) where they are missing, gives their owner every
  // permission, and moves aside what is no directory. Throws std::runtime_error, with advice, when
  // the root cannot be used.
  explicit Spool(const std::filesystem::path& workspace_root);

  // True for one process at a time: the one that may deliver what earlier ones have left. Held
  // until this object goes.
  bool Claim();
  // Repairs again what an agent has spoilt. A failure shows when it is written to.
  void Ensure();
  // Repairs since the last call, for the log.
  std::vector<std::string> TakeRepairs();

  std::filesystem::path FileOf(const Lease& lease) const;

  // Entries that Records could not use.
  struct Strangers {
    std::size_t moved = 0;
    std::size_t failed = 0;          // these stay
    std::string directory;           // the new place, a name in the root
    std::vector<std::string> names;  // the first kMaxNamed
    static constexpr std::size_t kMaxNamed = 5;
  };
  struct Stock {
    std::vector<std::pair<Lease, ShimRecord>> records;  // the first kMaxListed
    std::size_t unreadable = 0;                         // may be records, and stay
    int list_errno = 0;  // not 0: the spool could not be listed to its end
    Strangers strangers;
  };
  // All records, after Claim. Moves aside every other entry, but for what a shim may be about to
  // write (a temporary file that is not a minute old), and what cannot be read now (such as for
  // want of descriptors): the next call tries that again.
  Stock Records();
  // Nothing when there is no record of this lease, or none that can be read. The directory is in
  // the reach of agents: a record is worth no more than the proof that its shim ended as it should.
  std::optional<ShimRecord> Load(const Lease& lease) const;
  // Deletes the record of a lease; no harm when there is none.
  void Remove(const Lease& lease) const;

 private:
  // Why the root cannot be used; empty: it can.
  std::string Repair();
  std::string RepairSpool(int root);
  // A record, or the errno for which the file could not be read. Neither: it holds no record.
  struct Loaded {
    std::optional<ShimRecord> record;
    int error = 0;
  };
  Loaded TryLoad(const Lease& lease) const;
  Strangers MoveStrangers(const std::vector<std::string>& names) const;

  std::filesystem::path root_;       // absolute
  std::filesystem::path directory_;  // absolute
  std::vector<std::string> repairs_;
  UniqueFd claim_;
};

// The record of a document as a shim writes it; nothing when it is not one, or a number in it is
// out of range.
std::optional<ShimRecord> ParseShimRecord(std::string_view document);

}  // namespace runner::executor
