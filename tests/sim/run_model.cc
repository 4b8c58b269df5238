#include "tests/sim/run_model.h"

#include <algorithm>

#include "tests/sim/message.h"

namespace runner::sim {

void RunModel::Began(ProcessId process, const SimulatedWorkspace& workspace, bool keeps_rules,
                     const Lease& lease) {
  for (const auto& [other, run] : live_) {
    // A sidecar has no lease deadline: after a freeze it may start a run whose lease was
    // reassigned.
    const bool late = !keeps_rules && lease.attempt < other.attempt;
    const bool second = other.incident_id == lease.incident_id && run.process != process && !late &&
                        !taken_back_.contains(other) && !taken_back_.contains(lease);
    env_.findings.Expect(!second || !run.keeps_rules, Invariant::kOneLiveRun, [&] {
      return TextOf(lease) + " starts while " + TextOf(other) + " still runs";
    });
  }
  env_.findings.Expect(!ended_.contains(lease) &&
                           live_.emplace(lease, Live{process, &workspace, keeps_rules}).second,
                       Invariant::kOneLease, [&] { return "run twice: " + TextOf(lease); });
  env_.transitions.Count("run", "", "live", "start");
}

void RunModel::Contained(const Lease& lease, RunStatus status) {
  ended_[lease] = {live_.at(lease).workspace, status, false};
  live_.erase(lease);
  env_.transitions.Count("run", "live", "contained", ToString(status));
}

void RunModel::NotContained(const Lease& lease, RunStatus status) {
  ended_[lease] = {live_.at(lease).workspace, status, true};
  live_.at(lease).keeps_rules = false;
  env_.transitions.Count("run", "live", "not contained", ToString(status));
}

void RunModel::Vanished(const Lease& lease) {
  ended_[lease].workspace = live_.at(lease).workspace;
  live_.erase(lease);
  env_.transitions.Count("run", "live", "vanished", "crash");
}

void RunModel::ContainerEnded(ProcessId process) {
  std::erase_if(live_, [&](const auto& entry) {
    const auto end = ended_.find(entry.first);
    return entry.second.process == process && end != ended_.end() && end->second.tainted;
  });
}

void RunModel::CheckResultSent(const SimulatedWorkspace& workspace, const Lease& lease,
                               RunStatus status) {
  const auto end = ended_.find(lease);
  if (end == ended_.end() && !live_.contains(lease)) {
    ended_[lease] = {&workspace, status, false};
    env_.transitions.Count("run", "", "never begun", ToString(status));
    return;
  }
  const bool over = end != ended_.end() && (!live_.contains(lease) || end->second.tainted);
  env_.findings.Expect(over, Invariant::kContainedFirst,
                       [&] { return "result while the run is live: " + TextOf(lease); });
  env_.findings.Expect(
      !over || (end->second.workspace == &workspace && end->second.status == status),
      Invariant::kOneTerminalStatus, [&] {
        return "result says " + std::string(ToString(status)) +
               ", the run ended otherwise: " + TextOf(lease);
      });
}

void RunModel::CheckTakenBack(Duration lease_ttl) const {
  for (const auto& [lease, run] : live_) {
    const auto taken = taken_back_.find(lease);
    const bool ends =
        !run.keeps_rules || taken == taken_back_.end() || env_.Now() <= taken->second + lease_ttl;
    env_.findings.Expect(ends, Invariant::kOneLiveRun,
                         [&] { return TextOf(lease) + " was given up, but still runs"; });
  }
}

std::optional<RunStatus> RunModel::StatusOf(const Lease& lease) const {
  const auto end = ended_.find(lease);
  return end == ended_.end() ? std::nullopt : end->second.status;
}

std::size_t RunModel::LiveOf(ProcessId process) const {
  return static_cast<std::size_t>(std::count_if(live_.begin(), live_.end(), [&](const auto& entry) {
    return entry.second.process == process;
  }));
}

}  // namespace runner::sim
