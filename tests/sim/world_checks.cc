// The checks after every step and at the end of a history.

#include <algorithm>

#include "tests/sim/world.h"

namespace runner::sim {

using std::chrono::seconds;

void World::BecomeCalm() {
  env_.Note("faults", [] { return std::string("all faults stop"); });
  storm_ = false;
  env_.fault_plan.Calm();
  rogues_.clear();
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    // A process without a host must not be replaced.
    if (!hosts_[i].restarts && hosts_[i].process) StopExecutor(i);
    if (!hosts_[i].process) continue;
    hosts_[i].process->Thaw();
    hosts_[i].process->WatchDrain();
  }
}

bool World::Quiet() const {
  if (!ingest_ || ingest_->model().draining() || ingest_->model().open() != 0) return false;
  if (runs_.live() != 0) return false;
  if (ingest_->scheduler().breaker().state() == ingest::CircuitBreaker::State::kOpen) return false;
  const auto& executors = ingest_->scheduler().leases().executors();
  for (const Host& host : hosts_) {
    if (!host.process) {
      if (host.restarts) return false;
      continue;
    }
    if (!host.process->executor().attached() || host.process->executor().draining()) return false;
    if (!host.process->executor().admission().results_waiting().empty()) return false;
    const auto known = executors.find(host.options.executor_id);
    if (known == executors.end() || known->second.FreeSlots() != host.options.slots) return false;
  }
  return true;
}

Duration World::TimeToQuiet() const {
  Duration longest_run{};
  for (const Host& host : hosts_) {
    longest_run =
        std::max(longest_run, host.options.runs.agent_timeout + host.options.runs.kill_grace);
  }
  return options_.max_queue_age + options_.queue_sweep_interval + 2 * options_.leases.lease_ttl +
         options_.breaker.cooldown + 3 * (longest_run + seconds(5)) +
         options_.leases.max_offer_delay + 2 * (kShutdownTimeout + kLongestRestart) + seconds(90);
}

void World::ReportUnrest() {
  const bool up = ingest_ && !ingest_->model().draining();
  env_.findings.Expect(up && ingest_->model().open() == 0, Invariant::kEverythingEnds,
                       [] { return std::string("there are still open incidents"); });
  env_.findings.Expect(runs_.live() == 0, Invariant::kNothingLeft,
                       [] { return std::string("there are still runs"); });
  for (const Host& host : hosts_) {
    if (!host.process) continue;
    env_.findings.Expect(host.process->executor().admission().results_waiting().empty(),
                         Invariant::kNothingLeft,
                         [&] { return host.process->name() + " still has results"; });
  }
  env_.findings.Expect(Quiet(), Invariant::kCreditsRestored,
                       [] { return std::string("not every slot is free again"); });
}

std::string World::Probe(ingest::ClusterIndex cluster) {
  const std::string pod = "probe-" + std::to_string(++last_probe_);
  return ingest_->OnEvent(cluster, MakeFault(pod, Severity::kCritical));
}

std::optional<ingest::FinalStatus> World::EndOf(const std::string& incident_id) {
  return ingest_->model().EndOf(incident_id);
}

void World::Depart() {
  env_.Note("faults", [] { return std::string("every executor leaves"); });
  departed_ = true;
  for (Host& host : hosts_) host.process.reset();
}

bool World::Deserted() const {
  return ingest_->model().open() == 0 && ingest_->scheduler().leases().executors().empty() &&
         !ingest_->scheduler().NextDeadline() && runs_.live() == 0;
}

// --- invariants -----------------------------------------------------------------------------

void World::Step() {
  env_.trace.BeginStep();
  env_.events.RunNext();
  Check();
}

void World::Check() {
  runs_.CheckTakenBack(options_.leases.lease_ttl);
  if (ingest_) ingest_->model().Compare(ingest_->scheduler());
  for (const Host& host : hosts_) {
    if (!host.process) continue;
    host.process->WatchDrain();
    CheckExecutor(*host.process);
  }
}

void World::CheckExecutor(const ExecutorProcess& process) {
  if (const auto deadline = process.runs().deadline(); deadline && ingest_) {
    const auto heard = ingest_->model().ReceivedOn(process.stream());
    const Duration needed =
        process.options().runs.kill_grace + seconds(5 + 2) + seconds(3);  // kill, deliver, margin
    env_.findings.Expect(!heard || *deadline + needed <= *heard + options_.leases.lease_ttl,
                         Invariant::kLeaseDeadline,
                         [&] { return process.name() + " lets its agents run too long"; });
  }
  const auto running = static_cast<std::int64_t>(process.executor().admission().Running().size());
  const auto slots = static_cast<std::int64_t>(process.options().slots);
  const std::size_t live = runs_.LiveOf(process.id());
  const bool tainted = process.runs().tainted();
  // A frozen executor learns of the end of a run later.
  const bool behind = process.frozen();
  Findings& findings = env_.findings;
  findings.Expect(
      tainted || behind || live + process.executor().waiting() == static_cast<std::size_t>(running),
      Invariant::kContainedFirst,
      [&] { return process.name() + ": its slots do not match the live runs"; });
  findings.Expect(running <= slots, Invariant::kLimits,
                  [&] { return process.name() + " runs more than it has slots"; });
  const bool counts = process.executor().attached() && !tainted;
  findings.Expect(!counts || running + process.OpenCredits() <= slots, Invariant::kLimits,
                  [&] { return process.name() + " has granted more than its free slots"; });
  // A draining executor rejects its offers and may count a repeated offer twice.
  const bool takes = counts && !process.executor().admission().draining();
  findings.Expect(!takes || process.OpenCredits() >= 0, Invariant::kLimits,
                  [&] { return process.name() + " was offered more than its credits"; });
  std::uint64_t active = 0;
  for (const auto& [cluster, c] : process.runs().counters().clusters()) {
    std::uint64_t completed = 0;
    for (const std::uint64_t count : c.completed) completed += count;
    active += c.active;
    findings.Expect(c.spawned == completed + c.active, Invariant::kExecutorCounting,
                    [&] { return process.name() + ": spawned is not completed plus active"; });
  }
  findings.Expect(active == process.runs().active(), Invariant::kExecutorCounting,
                  [&] { return process.name() + ": active is not the number of runs"; });
}

}  // namespace runner::sim
