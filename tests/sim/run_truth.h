#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "common/incident.h"
#include "tests/sim/environment.h"

namespace runner::sim {

// One life of an executor's process. Never reused.
using ProcessId = std::uint64_t;

// Which runs truly exist, and how they ended: what an observer of the machines would see, whatever
// executors and ingest believe.
class RunTruth {
 public:
  explicit RunTruth(Environment& env) : env_(env) {}

  // Processes of the run may exist from now on.
  void Began(ProcessId process, const Lease& lease);
  // None exist any more, proven.
  void Contained(const Lease& lease, RunStatus status);
  // Some may still exist, and nothing can be proven: the process is tainted.
  void NotContained(const Lease& lease, RunStatus status);
  // Taken, and ended without ever having begun.
  void NeverBegan(ProcessId process, const Lease& lease, RunStatus status);
  // Its executor died first; nobody knows a status.
  void Vanished(const Lease& lease);
  // What an uncontained run left dies with the container of its process.
  void ContainerEnded(ProcessId process);

  void CheckResultSent(ProcessId process, const Lease& lease, RunStatus status);

  std::optional<RunStatus> StatusOf(const Lease& lease) const;
  bool IsLive(const Lease& lease) const { return live_.contains(lease); }
  std::size_t LiveOf(ProcessId process) const;
  std::size_t live() const { return live_.size(); }

 private:
  struct End {
    ProcessId process = 0;
    std::optional<RunStatus> status;
    bool tainted = false;
  };

  std::map<Lease, ProcessId> live_;
  std::map<Lease, End> ended_;
  Environment& env_;
};

}  // namespace runner::sim
