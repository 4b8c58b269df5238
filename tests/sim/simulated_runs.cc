#include "tests/sim/simulated_runs.h"

#include <cerrno>
#include <utility>

#include "executor/core/time_budget.h"
#include "tests/sim/message.h"

namespace runner::sim {
namespace {

using executor::ShimStop;
using executor::StopReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

SimulatedRuns::~SimulatedRuns() {
  env_.events.DropAllOf(this);
  const bool at_once = env_.random.Chance(500);  // the container ends as well
  for (auto& [lease, run] : runs_) {
    if (run.phase == Phase::kContained) continue;
    if (at_once) {
      env_.events.After(&model_, Duration::zero(),
                        [&model = model_, gone = lease] { model.Vanished(gone); });
      continue;
    }
    if (run.end.record && run.end.record->spawn_errno == 0 && !Stopped(run)) {
      run.end.record->stopped = ShimStop::kExecutorLost;
      run.disposition = RunStatus::kInterrupted;
    }
    const Duration rest = env_.random.Between(
        Duration::zero(), options_.kill_grace + executor::time_budget::kContainment);
    run.end.contained = true;
    ++workspace_.leftovers_;
    env_.events.After(&model_, rest,
                      [&model = model_, &workspace = workspace_, gone = lease, end = run.end,
                       disposition = run.disposition] {
                        model.Contained(gone, disposition);
                        --workspace.leftovers_;
                        if (end.record) workspace.spool_[gone] = executor::Judge(end);
                      });
  }
  model_.ContainerEnded(process_);
}

bool SimulatedRuns::Stopped(const Run& run) {
  return run.end.record->timed_out || run.end.record->stopped != ShimStop::kNone;
}

template <typename Method>
void SimulatedRuns::Schedule(const Lease& lease, Run& run, Duration delay, Method method) {
  env_.events.Cancel(run.next);
  run.next = env_.events.After(this, delay, [this, lease, method] { (this->*method)(lease); });
}

bool SimulatedRuns::Start(const Lease& lease, const Incident& incident) {
  if (runs_.contains(lease)) return true;
  const bool shortage = env_.Strikes(Fault::kShortage);
  if (shortage && env_.random.Chance(500)) return false;
  const auto added = runs_.try_emplace(lease).first;
  Run& run = added->second;
  run.cluster = incident.event.cluster;
  run.obeys_term = !env_.Strikes(Fault::kIgnoreTerm);
  run.end.record.emplace();
  counters_.Started(run.cluster);
  model_.Began(process_, workspace_, options_.keeps_rules, lease);
  if (shortage) {  // that only the shim can detect
    run.phase = Phase::kContaining;
    run.end.record->spawn_errno = EAGAIN;
    run.disposition = RunStatus::kInterrupted;
    Schedule(lease, run, milliseconds(1), &SimulatedRuns::OnContained);
  } else if (env_.Strikes(Fault::kFailStart)) {
    run.phase = Phase::kContaining;
    run.end.record.reset();
    run.end.started = false;
    run.end.start_errno = ENOENT;
    Schedule(lease, run, milliseconds(1), &SimulatedRuns::OnContained);
  } else {
    const Duration start = env_.random.Between(milliseconds(1), milliseconds(50));
    Schedule(lease, run, start, &SimulatedRuns::OnStarted);
    if (deadline_ && env_.Now() >= *deadline_) Request(lease, run, ShimStop::kLeaseDeadline);
  }
  return true;
}

void SimulatedRuns::OnStarted(const Lease& lease) {
  Run& run = runs_.at(lease);
  run.phase = Phase::kRunning;
  if (run.requested) {
    BeginStop(lease, run, *run.requested);
  } else if (env_.Strikes(Fault::kHangAgent)) {
    Schedule(lease, run, options_.agent_timeout, &SimulatedRuns::OnTimeout);
  } else {
    const Duration work = env_.random.Between(milliseconds(10), options_.agent_timeout * 3 / 4);
    Schedule(lease, run, work, &SimulatedRuns::OnExit);
  }
  loop_.RunOrDefer([this, lease] {
    runs_.at(lease).told_started = true;
    listener_.OnRunStarted({lease, 1, env_.events.Now().wall});
  });
}

void SimulatedRuns::OnTimeout(const Lease& lease) {
  Run& run = runs_.at(lease);
  run.end.record->timed_out = true;
  run.disposition = RunStatus::kTimeout;
  Schedule(lease, run, UntilStopped(run), &SimulatedRuns::OnExit);
}

Duration SimulatedRuns::UntilStopped(const Run& run) {
  return run.obeys_term ? env_.random.Between(milliseconds(1), options_.kill_grace)
                        : options_.kill_grace;
}

void SimulatedRuns::Stop(const Lease& lease, StopReason reason) {
  if (runs_.contains(lease)) observer_.OnStop(lease, reason);
  const auto found = runs_.find(lease);
  if (found == runs_.end() || found->second.end.stop_requested || !found->second.end.started) {
    return;
  }
  if (found->second.end.record && found->second.end.record->spawn_errno != 0) return;
  if (found->second.phase == Phase::kContained)
    return;  // it has ended, and its end is not reported yet
  Run& run = found->second;
  run.end.stop_requested = reason;
  env_.Note("run", [&] { return "stop " + TextOf(lease); });
  Request(lease, run,
          reason == StopReason::kCancelled ? ShimStop::kCancelled : ShimStop::kInterrupted);
}

void SimulatedRuns::ExtendLeases(MonoTime deadline) {
  if (leases_end_) env_.events.Cancel(*leases_end_);
  deadline_ = deadline;
  leases_end_ = env_.events.At(this, deadline, [this] { OnLeasesEnd(); });
}

// The shims know the deadline, even while the executor is frozen.
void SimulatedRuns::OnLeasesEnd() {
  leases_end_.reset();
  for (auto& [lease, run] : runs_) {
    if (run.end.started && run.end.record) Request(lease, run, ShimStop::kLeaseDeadline);
  }
}

void SimulatedRuns::Request(const Lease& lease, Run& run, ShimStop stop) {
  if (run.requested) return;
  run.requested = stop;
  if (run.phase == Phase::kRunning) BeginStop(lease, run, stop);
}

void SimulatedRuns::BeginStop(const Lease& lease, Run& run, ShimStop stop) {
  if (Stopped(run)) return;
  run.end.record->stopped = stop;
  run.disposition = stop == ShimStop::kCancelled ? RunStatus::kCancelled : RunStatus::kInterrupted;
  Schedule(lease, run, UntilStopped(run), &SimulatedRuns::OnExit);
}

void SimulatedRuns::KillAll() {
  for (auto& [lease, run] : runs_) {
    Stop(lease, StopReason::kInterrupted);
    if (run.phase == Phase::kRunning) {
      Schedule(lease, run, milliseconds(1), &SimulatedRuns::OnExit);
    }
  }
}

void SimulatedRuns::OnExit(const Lease& lease) {
  Run& run = runs_.at(lease);
  run.phase = Phase::kContaining;
  executor::ShimRecord& record = *run.end.record;
  run.end.report = executor::ReportVerdict::kGood;
  if (Stopped(run) && !run.obeys_term) {
    record.signal = 9;
  } else if (env_.Strikes(Fault::kFailAgent)) {
    record.exit_code = 1;
  } else {
    record.exit_code = 0;
    if (env_.Strikes(Fault::kFailAgent)) run.end.report = executor::ReportVerdict::kMissing;
  }
  if (!Stopped(run)) {
    const bool good = record.exit_code == 0 && run.end.report == executor::ReportVerdict::kGood;
    run.disposition = good ? RunStatus::kSuccess : RunStatus::kFailure;
  }
  const Duration sweep =
      env_.Strikes(Fault::kSlowContainment)
          ? env_.random.Between(milliseconds(100), executor::time_budget::kContainment)
          : env_.random.Between(milliseconds(1), milliseconds(20));
  Schedule(lease, run, sweep, &SimulatedRuns::OnContained);
}

void SimulatedRuns::OnContained(const Lease& lease) {
  Run& run = runs_.at(lease);
  run.phase = Phase::kContained;
  if (run.end.record && run.end.record->spawn_errno == 0 && env_.Strikes(Fault::kLoseShim)) {
    run.end.record.reset();
    run.disposition = !run.end.stop_requested                             ? RunStatus::kFailure
                      : *run.end.stop_requested == StopReason::kCancelled ? RunStatus::kCancelled
                                                                          : RunStatus::kInterrupted;
  }
  run.end.contained = !run.end.started || !env_.Strikes(Fault::kLoseContainment);
  if (run.end.contained) {
    model_.Contained(lease, run.disposition);
  } else {
    model_.NotContained(lease, run.disposition);
  }
  env_.Note("run", [&] {
    return "over " + TextOf(lease) + " " + std::string(ToString(run.disposition)) +
           (run.end.contained ? "" : ", not contained");
  });
  if (run.end.record) workspace_.spool_[lease] = executor::Judge(run.end);
  loop_.RunOrDefer([this, lease] { Finish(lease); });
}

void SimulatedRuns::Finish(const Lease& lease) {
  const Run run = std::move(runs_.extract(lease).mapped());
  const Outcome outcome = executor::Judge(run.end);
  workspace_.spool_[lease] = outcome;
  counters_.Finished(run.cluster, outcome, 0);
  tainted_ = tainted_ || !run.end.contained;
  listener_.OnRunFinished(lease, outcome);
}

std::vector<executor::StartedRun> SimulatedRuns::Started() const {
  std::vector<executor::StartedRun> started;
  for (const auto& [lease, run] : runs_) {
    if (run.told_started) started.push_back({lease, 1, kBeginning.wall});
  }
  return started;
}

}  // namespace runner::sim
