#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "common/domain/incident.h"
#include "tests/sim/environment.h"

namespace runner::sim {

class SimulatedWorkspace;

// One process of an executor. Never reused.
using ProcessId = std::uint64_t;

// The runs that really exist, and how they ended, independent of what executors and ingest know.
class RunModel {
 public:
  explicit RunModel(Environment& env) : env_(env) {}

  // Processes of the run may exist from now on. `keeps_rules`: its executor is remote, so its runs
  // must end before their leases are given to another executor.
  void Began(ProcessId process, const SimulatedWorkspace& workspace, bool keeps_rules,
             const Lease& lease);
  // No process of the run exists, proven.
  void Contained(const Lease& lease, RunStatus status);
  // Processes may still exist and nothing can be proven: the executor process is tainted.
  void NotContained(const Lease& lease, RunStatus status);
  // Its executor died first; there is no status.
  void Vanished(const Lease& lease);
  // The end of the container kills the processes of uncontained runs.
  void ContainerEnded(ProcessId process);

  // Ingest gave up the lease before its time to live. A run of it may overlap the next one, at most
  // for that time.
  void TakenBack(const Lease& lease) { taken_back_.emplace(lease, env_.Now()); }
  void CheckTakenBack(Duration lease_ttl) const;

  // A result of a lease without a run must be that of a run that was cancelled before its start.
  void CheckResultSent(const SimulatedWorkspace& workspace, const Lease& lease, RunStatus status);

  std::optional<RunStatus> StatusOf(const Lease& lease) const;
  bool IsLive(const Lease& lease) const { return live_.contains(lease); }
  std::size_t LiveOf(ProcessId process) const;
  std::size_t live() const { return live_.size(); }

 private:
  struct Live {
    ProcessId process = 0;
    const SimulatedWorkspace* workspace = nullptr;
    bool keeps_rules = false;
  };
  struct End {
    const SimulatedWorkspace* workspace = nullptr;
    std::optional<RunStatus> status;
    bool tainted = false;
  };

  std::map<Lease, Live> live_;
  std::map<Lease, End> ended_;
  std::map<Lease, MonoTime> taken_back_;
  Environment& env_;
};

}  // namespace runner::sim
