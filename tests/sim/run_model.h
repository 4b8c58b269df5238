#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "common/domain/incident.h"
#include "tests/sim/environment.h"

namespace runner::sim {

class SimulatedWorkspace;

// One life of an executor's process. Never reused.
using ProcessId = std::uint64_t;

// Which runs truly exist, and how they ended: what an observer of the machines would see, whatever
// executors and ingest believe.
class RunModel {
 public:
  explicit RunModel(Environment& env) : env_(env) {}

  // Processes of the run may exist from now on. `keeps_rules`: its executor runs apart, so its runs
  // end before their leases are given elsewhere.
  void Began(ProcessId process, const SimulatedWorkspace& workspace, bool keeps_rules,
             const Lease& lease);
  // None exist any more, proven.
  void Contained(const Lease& lease, RunStatus status);
  // Some may still exist, and nothing can be proven: the process is tainted.
  void NotContained(const Lease& lease, RunStatus status);
  // Its executor died first; nobody knows a status.
  void Vanished(const Lease& lease);
  // What an uncontained run left dies with the container of its process.
  void ContainerEnded(ProcessId process);

  // Ingest has given up the lease without waiting for its time to live. A run of it may overlap
  // what comes next, but not for longer than that time.
  void TakenBack(const Lease& lease) { taken_back_.emplace(lease, env_.Now()); }
  void CheckTakenBack(Duration lease_ttl) const;

  // A result of a lease that never began is that of a run which was not needed.
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
