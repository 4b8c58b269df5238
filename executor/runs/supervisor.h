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

// What an operator is shown of a run.
struct RunInfo {
  Lease lease;
  std::string cluster;
  std::string state;  // starting, running, stopping, finished
  pid_t pid = 0;      // the agent; 0 as long as it has not started
  WallTime started_at;
  MonoTime started_mono;
  std::string workspace;
  std::optional<Outcome> outcome;  // once finished
};

// Owns one runner-shim for each run: starts it, hears what it says, reaps it, and cleans up after
// one that was lost. Everything happens on the thread of the inbox; nothing blocks but small files
// and posix_spawn(3).
//
// The process becomes a child subreaper and must not start or reap children of its own beside this.
// A supervisor that is destroyed while runs are active closes their sockets: each shim then stops
// its agent, contains it, and leaves the record in the spool.
class Supervisor final : public RunSupervisor {
 public:
  static constexpr std::size_t kFinishedKept = 100;

  // Makes the workspace root and its spool. Throws std::system_error when that fails, when the shim
  // is not executable, or when the process cannot be a subreaper. The references must outlive this.
  Supervisor(EventLoop& event_loop, AgentOptions options, Logger logger, RunListener& listener);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  bool Start(const Lease& lease, const Incident& incident) override;
  void Stop(const Lease& lease, StopReason reason) override;
  // To be called when a process has signalled this one. If it is of a run, that run is killed, and
  // fails as signalled_executor. False: it is below none of the shims.
  bool StopSender(pid_t sender);
  // To be called after SIGCHLD: reaps who is not one of ours and has ended, as the first process of
  // a container has to.
  void ReapStrangers();
  void StopAll(StopReason reason);
  void KillAll() override;
  void ExtendLeases(MonoTime deadline) override;
  void ForgetResult(const Lease& lease) override;

  // Runs of an earlier executor with the same workspace root: they must have ended
  // (LeftoverCleanup) before anything is started.
  LeftoverRuns& leftover_runs() { return leftover_runs_; }
  // Whether this is the one executor that uses the workspace root.
  bool IsAlone() { return spool_.Claim(); }
  // What the earlier runs came to: each record that waits in the spool, unless another process
  // delivers it. An outcome that is not contained is as the shim left it.
  std::vector<std::pair<Lease, Outcome>> Recover();
  // What earlier runs have left does not end.
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
  Spool spool_;  // first: it makes the root accessible
  LeftoverRuns leftover_runs_;
  const OrphanReaper strays_;
  std::map<Lease, std::unique_ptr<Run>> runs_;
  std::deque<RunInfo> finished_;  // newest first
  RunCounters counters_;
  std::optional<MonoTime> lease_deadline_;
  EventLoop::TimerId sweep_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId reap_timer_ = EventLoop::kNoTimer;
  int clean_sweeps_ = 0;  // in a row
  bool tainted_ = false;
};

}  // namespace runner::executor
