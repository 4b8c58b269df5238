#include "tests/sim/run_truth.h"

#include <algorithm>

#include "tests/sim/message.h"

namespace runner::sim {

void RunTruth::Began(ProcessId process, const Lease& lease) {
  env_.findings.Expect(!ended_.contains(lease) && live_.emplace(lease, process).second,
                       Invariant::kOneLease, [&] { return "run twice: " + TextOf(lease); });
  env_.transitions.Count("run", "", "live", "start");
}

void RunTruth::Contained(const Lease& lease, RunStatus status) {
  ended_[lease] = {live_.at(lease), status, false};
  live_.erase(lease);
  env_.transitions.Count("run", "live", "contained", ToString(status));
}

void RunTruth::NotContained(const Lease& lease, RunStatus status) {
  ended_[lease] = {live_.at(lease), status, true};
  env_.transitions.Count("run", "live", "not contained", ToString(status));
}

void RunTruth::NeverBegan(ProcessId process, const Lease& lease, RunStatus status) {
  ended_[lease] = {process, status, false};
  env_.transitions.Count("run", "", "never begun", ToString(status));
}

void RunTruth::Vanished(const Lease& lease) {
  ended_[lease].process = live_.at(lease);
  live_.erase(lease);
  env_.transitions.Count("run", "live", "vanished", "crash");
}

void RunTruth::ContainerEnded(ProcessId process) {
  std::erase_if(live_, [&](const auto& entry) {
    const auto end = ended_.find(entry.first);
    return entry.second == process && end != ended_.end() && end->second.tainted;
  });
}

void RunTruth::CheckResultSent(ProcessId process, const Lease& lease, RunStatus status) {
  const auto end = ended_.find(lease);
  const bool over = end != ended_.end() && (!live_.contains(lease) || end->second.tainted);
  env_.findings.Expect(over, Invariant::kContainedFirst,
                       [&] { return "result while the run is live: " + TextOf(lease); });
  env_.findings.Expect(!over || (end->second.process == process && end->second.status == status),
                       Invariant::kOneTerminalStatus, [&] {
                         return "result says " + std::string(ToString(status)) +
                                ", the run ended otherwise: " + TextOf(lease);
                       });
}

std::optional<RunStatus> RunTruth::StatusOf(const Lease& lease) const {
  const auto end = ended_.find(lease);
  return end == ended_.end() ? std::nullopt : end->second.status;
}

std::size_t RunTruth::LiveOf(ProcessId process) const {
  return static_cast<std::size_t>(std::count_if(
      live_.begin(), live_.end(), [&](const auto& entry) { return entry.second == process; }));
}

}  // namespace runner::sim
