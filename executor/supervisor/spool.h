#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "common/incident.h"
#include "executor/core/shim_record.h"

namespace runner::executor {

// <workspace-root>/.spool: the records that shims have left and that nobody has acknowledged yet.
// Not thread-safe.
class Spool {
 public:
  // Makes the directory (0700) where it is missing. Throws std::filesystem::filesystem_error.
  explicit Spool(const std::filesystem::path& workspace_root);

  std::filesystem::path FileOf(const Lease& lease) const;
  // Nothing when there is no record of this lease, or none that can be read. The directory is in
  // the reach of agents: a record is worth no more than the proof that its shim ended as it should.
  std::optional<ShimRecord> Load(const Lease& lease) const;
  // Deletes the record of a lease; no harm when there is none.
  void Remove(const Lease& lease) const;

 private:
  std::filesystem::path directory_;  // absolute
};

// The record of a document as a shim writes it; nothing when it is not one.
std::optional<ShimRecord> ParseShimRecord(std::string_view document);

}  // namespace runner::executor
