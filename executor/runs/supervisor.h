#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "common/domain/incident.h"
#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "executor/core/run_state.h"
#include "executor/core/run_supervisor.h"
#include "executor/runs/agent_options.h"
#include "executor/runs/leftover_runs.h"
#include "executor/runs/orphan_reaper.h"
#include "executor/runs/run_counters.h"
#include "executor/runs/shim_process.h"
#include "executor/runs/spool.h"

namespace runner::executor {

// The description of a run for operators.
struct RunInfo {
  Lease lease;
  std::string cluster;
  std::string state;  // starting, running, stopping, finished
  pid_t pid = 0;      // the agent; 0 before it has started
  WallTime started_at;
  MonoTime started_mono;
  std::string workspace;
  std::optional<Outcome> outcome;  // set when finished
};

// Owns one runner-shim for each run: starts it, receives its notices, reaps it, and sweeps the run
// of a shim that was lost. Runs on the thread of the event loop; blocks only for small files and
// posix_spawn(3).
//
// The process becomes a child subreaper; no other code may start or reap children. The destructor
// closes the sockets of active runs: each shim then stops its agent, contains it, and leaves the
// record in the spool.
class Supervisor final : public RunSupervisor {
 public:
  static constexpr std::size_t kFinishedKept = 100;

  // Creates the workspace root and its spool. Throws std::system_error if that fails, if the shim
  // is not executable, or if the process cannot become a subreaper. All references must outlive
  // this.
  Supervisor(EventLoop& event_loop, AgentOptions options, Logger logger, RunListener& listener);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  bool Start(const Lease& lease, const Incident& incident) override;
  void Stop(const Lease& lease, StopReason reason) override;
  // Call when a process has signalled this one. If the sender belongs to a run, that run is killed
  // and fails as signalled_executor. Returns false if it belongs to none.
  bool StopSender(pid_t sender);
  // Call after SIGCHLD: reaps children that are not shims, as process 1 of a container must.
  void ReapOrphans();
  void StopAll(StopReason reason);
  void KillAll() override;
  void ExtendLeases(MonoTime deadline) override;
  void ForgetResult(const Lease& lease) override;

  // Runs of an earlier executor with the same workspace root. LeftoverCleanup must end them before
  // a run is started.
  LeftoverRuns& leftover_runs() { return leftover_runs_; }
  // True if no other executor uses the workspace root.
  bool IsAlone() { return spool_.Claim(); }
  // The results of earlier runs: all records in the spool, unless another process delivers them. An
  // outcome that is not contained is returned as such.
  std::vector<std::pair<Lease, Outcome>> Recover();
  // Processes of an earlier run cannot be ended.
  void Taint() { tainted_ = true; }

  std::size_t active() const override { return runs_.size(); }
  std::vector<StartedRun> Started() const override;
  // Newest first: the active runs, then the last kFinishedKept finished ones.
  std::vector<RunInfo> Runs() const;
  const RunCounters& counters() const { return counters_; }
  bool tainted() const override { return tainted_; }

 private:
  struct Run;

  void Adopt(Run& run, ShimProcess shim);
  void LogRepairs();
  void FailStart(Run& run, const std::string& step, StartFailure failure, int error);
  bool RunsIncident(const std::string& incident_id) const;
  void StopRun(Run& run, StopReason reason);
  void KillRun(Run& run, StopReason reason);
  void ArmWatchdog(Run& run, Duration delay);
  void KillShim(const Lease& lease);

  void OnSocket(const Lease& lease, std::uint32_t events);
  void ReadNotices(Run& run);
  void OnStarted(Run& run, const ShimNotice& notice);
  void OnShimExit(const Lease& lease);

  std::set<pid_t> Shims() const;
  void BeginSweep();
  void SweepOnce();
  void FinishSwept(bool clean);
  void Finish(const Lease& lease, bool contained);
  void LogFinished(const Run& run, const Outcome& outcome) const;

  EventLoop& event_loop_;
  const AgentOptions options_;
  const Logger logger_;
  RunListener& listener_;
  const std::vector<std::string> own_environment_;
  Spool spool_;  // first: its constructor makes the root accessible
  LeftoverRuns leftover_runs_;
  const OrphanReaper orphan_reaper_;
  std::map<Lease, std::unique_ptr<Run>> runs_;
  std::deque<RunInfo> finished_;  // newest first
  RunCounters counters_;
  std::optional<MonoTime> lease_deadline_;
  EventLoop::TimerId sweep_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId reap_timer_ = EventLoop::kNoTimer;
  int clean_sweeps_ = 0;  // consecutive sweeps that found no orphan
  bool tainted_ = false;
};

}  // namespace runner::executor
