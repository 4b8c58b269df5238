#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "common/incident.h"
#include "common/unique_fd.h"
#include "executor/core/shim_record.h"

namespace runner::executor {

// <workspace-root>/.spool: the records that shims have left and that nobody has acknowledged yet.
// Not thread-safe.
class Spool {
 public:
  // Makes the directory (0700) where it is missing. Throws std::filesystem::filesystem_error.
  explicit Spool(const std::filesystem::path& workspace_root);

  // True for one process at a time: the one that may deliver what earlier ones have left. Held
  // until this object goes.
  bool Claim();
  // Makes the directory again where an agent has removed it. A failure shows when it is written to.
  void Ensure() const;

  std::filesystem::path FileOf(const Lease& lease) const;
  // The leases of which there is a record, at most kMaxListed of them.
  static constexpr std::size_t kMaxListed = 10'000;
  std::vector<Lease> Leases() const;
  // Nothing when there is no record of this lease, or none that can be read. The directory is in
  // the reach of agents: a record is worth no more than the proof that its shim ended as it should.
  std::optional<ShimRecord> Load(const Lease& lease) const;
  // Deletes the record of a lease; no harm when there is none.
  void Remove(const Lease& lease) const;

 private:
  std::filesystem::path directory_;  // absolute
  UniqueFd claim_;
};

// The record of a document as a shim writes it; nothing when it is not one.
std::optional<ShimRecord> ParseShimRecord(std::string_view document);

}  // namespace runner::executor
