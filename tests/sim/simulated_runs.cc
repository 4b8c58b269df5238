#include "tests/sim/simulated_runs.h"

#include <cerrno>
#include <utility>

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
  const bool at_once = env_.random.Chance(500);  // with the container
  for (const auto& [lease, run] : runs_) {
    const Duration rest =
        at_once ? Duration::zero()
                : env_.random.Between(Duration::zero(), options_.kill_grace + kContainmentBudget);
    env_.events.After(&truth_, rest, [&truth = truth_, gone = lease] { truth.Vanished(gone); });
  }
  truth_.ContainerEnded(process_);
}

template <typename Method>
void SimulatedRuns::Schedule(const Lease& lease, Run& run, Duration delay, Method method) {
  env_.events.Cancel(run.next);
  run.next = env_.events.After(this, delay, [this, lease, method] { (this->*method)(lease); });
}

bool SimulatedRuns::Start(const Lease& lease, const std::string& cluster) {
  if (runs_.contains(lease)) return true;
  const bool shortage = env_.Strikes(Fault::kShortage);
  if (shortage && env_.random.Chance(500)) return false;
  const auto added = runs_.try_emplace(lease).first;
  Run& run = added->second;
  run.cluster = cluster;
  run.obeys_term = !env_.Strikes(Fault::kIgnoreTerm);
  run.end.record.emplace();
  counters_.Started(cluster);
  truth_.Began(process_, lease);
  if (shortage) {  // that only the shim meets
    run.phase = Phase::kContaining;
    run.end.record->spawn_errno = EAGAIN;
    run.fate = RunStatus::kInterrupted;
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
  }
  return true;
}

void SimulatedRuns::OnStarted(const Lease& lease) {
  Run& run = runs_.at(lease);
  run.phase = Phase::kRunning;
  run.told_started = true;
  if (run.stop) {
    BeginStop(lease, run);
  } else if (env_.Strikes(Fault::kHangAgent)) {
    Schedule(lease, run, options_.agent_timeout, &SimulatedRuns::OnTimeout);
  } else {
    const Duration work = env_.random.Between(milliseconds(10), options_.agent_timeout * 3 / 4);
    Schedule(lease, run, work, &SimulatedRuns::OnExit);
  }
  listener_.OnRunStarted(lease);
}

void SimulatedRuns::OnTimeout(const Lease& lease) {
  Run& run = runs_.at(lease);
  run.end.record->timed_out = true;
  run.fate = RunStatus::kTimeout;
  Schedule(lease, run, UntilStopped(run), &SimulatedRuns::OnExit);
}

Duration SimulatedRuns::UntilStopped(const Run& run) {
  return run.obeys_term ? env_.random.Between(milliseconds(1), options_.kill_grace)
                        : options_.kill_grace;
}

void SimulatedRuns::Stop(const Lease& lease, StopReason reason) {
  const auto found = runs_.find(lease);
  if (found == runs_.end() || found->second.stop || !found->second.end.started) return;
  if (found->second.end.record && found->second.end.record->spawn_errno != 0) return;
  Run& run = found->second;
  run.stop = reason;
  run.end.stop_requested = reason;
  env_.Tell("run", [&] { return "stop " + TextOf(lease); });
  if (run.phase == Phase::kRunning) BeginStop(lease, run);
}

void SimulatedRuns::BeginStop(const Lease& lease, Run& run) {
  if (run.end.record->timed_out) return;
  const bool cancelled = run.stop == StopReason::kCancelled;
  run.end.record->stopped = cancelled ? ShimStop::kCancelled : ShimStop::kInterrupted;
  run.fate = cancelled ? RunStatus::kCancelled : RunStatus::kInterrupted;
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
  const bool stopped = record.timed_out || record.stopped != ShimStop::kNone;
  run.end.report = executor::ReportVerdict::kGood;
  if (stopped && !run.obeys_term) {
    record.signal = 9;
  } else if (env_.Strikes(Fault::kFailAgent)) {
    record.exit_code = 1;
  } else {
    record.exit_code = 0;
    if (env_.Strikes(Fault::kFailAgent)) run.end.report = executor::ReportVerdict::kMissing;
  }
  if (!stopped) {
    const bool good = record.exit_code == 0 && run.end.report == executor::ReportVerdict::kGood;
    run.fate = good ? RunStatus::kSuccess : RunStatus::kFailure;
  }
  const Duration sweep = env_.Strikes(Fault::kSlowContainment)
                             ? env_.random.Between(milliseconds(100), kContainmentBudget)
                             : env_.random.Between(milliseconds(1), milliseconds(20));
  Schedule(lease, run, sweep, &SimulatedRuns::OnContained);
}

void SimulatedRuns::OnContained(const Lease& lease) {
  Run run = std::move(runs_.at(lease));
  runs_.erase(lease);
  if (run.end.record && run.end.record->spawn_errno == 0 && env_.Strikes(Fault::kLoseShim)) {
    run.end.record.reset();
    run.fate = !run.stop                             ? RunStatus::kFailure
               : *run.stop == StopReason::kCancelled ? RunStatus::kCancelled
                                                     : RunStatus::kInterrupted;
  }
  run.end.contained = !run.end.started || !env_.Strikes(Fault::kLoseContainment);
  const Outcome outcome = executor::Judge(run.end);
  counters_.Finished(run.cluster, outcome, 0);
  if (run.end.contained) {
    truth_.Contained(lease, run.fate);
  } else {
    tainted_ = true;
    truth_.NotContained(lease, run.fate);
  }
  env_.Tell("run", [&] {
    return "over " + TextOf(lease) + " " + std::string(ToString(run.fate)) +
           (run.end.contained ? "" : ", not contained");
  });
  listener_.OnRunFinished(lease, outcome);
}

std::vector<Lease> SimulatedRuns::Started() const {
  std::vector<Lease> started;
  for (const auto& [lease, run] : runs_) {
    if (run.told_started) started.push_back(lease);
  }
  return started;
}

}  // namespace runner::sim
