// What must become of an event, and what becomes of it.

#include <algorithm>
#include <utility>

#include "tests/sim/incident_truth.h"

namespace runner::sim {

void IncidentTruth::BeforeEvent(ingest::ClusterIndex cluster, const FaultEvent& event) {
  Expect(Configured(cluster), Invariant::kClusters,
         [&] { return "an event comes in of " + clusters_[cluster].name + ", which was removed"; });
  FaultEvent own = event;
  own.cluster = clusters_[cluster].name;
  fate_ = FateOf(cluster, own);
}

IncidentTruth::Fate IncidentTruth::FateOf(ingest::ClusterIndex cluster, const FaultEvent& event) {
  using Verdict = ingest::Scheduler::Admission::Result;
  Fate fate;
  fate.severity = event.severity;
  fate.key = ingest::DedupKeyOf(options_.dedup_key, event);
  const auto end = [&fate](Verdict result, std::string reason) {
    fate.result = result;
    fate.reason = std::move(reason);
    return fate;
  };
  if (const auto reason = filters_[cluster].Rejects(event)) {
    return end(Verdict::kFiltered, std::string(*reason));
  }
  if (const auto known = dedup_.OnEvent(fate.key, env_.Now())) {
    fate.duplicate_of = *known;
    return end(Verdict::kFiltered, "duplicate");
  }
  if (breaker_.state() == BreakerRule::State::kOpen &&
      options_.breaker_policy == ingest::BreakerPolicy::kDrop) {
    return end(Verdict::kBreakerDropped, "circuit_breaker");
  }
  JudgeRoom(cluster, fate);
  return fate;
}

void IncidentTruth::JudgeRoom(ingest::ClusterIndex cluster, Fate& fate) const {
  std::size_t total = 0;
  std::size_t longest = 0;
  for (const Cluster& one : clusters_) {
    total += one.queue.size();
    longest = std::max(longest, one.queue.size());
  }
  const std::size_t own = clusters_[cluster].queue.size();
  if (own < options_.cluster_queue_size && total < options_.global_queue_size) return;
  for (ingest::ClusterIndex i = 0; i < clusters_.size(); ++i) {
    const bool pays = own >= options_.cluster_queue_size || own == longest
                          ? i == cluster
                          : clusters_[i].queue.size() == longest;
    if (pays) fate.victims.push_back(i);
  }
  const auto gives_way = [&](ingest::ClusterIndex i) {
    const auto& queue = clusters_[i].queue;
    const auto normal = [this](const std::string& id) { return !Critical(open_.at(id)); };
    if (fate.severity == Severity::kCritical) return !queue.empty();
    return std::any_of(queue.begin(), queue.end(), normal);
  };
  fate.evicts = options_.overflow_policy == ingest::OverflowPolicy::kDropOldest &&
                std::any_of(fate.victims.begin(), fate.victims.end(), gives_way);
  fate.either = !std::all_of(fate.victims.begin(), fate.victims.end(), gives_way);
  if (fate.evicts) return;
  fate.result = ingest::Scheduler::Admission::Result::kRejected;
  fate.reason = "overflow";
}

void IncidentTruth::OnEvent(ingest::ClusterIndex index,
                            const ingest::Scheduler::Admission& admission) {
  using Verdict = ingest::Scheduler::Admission::Result;
  Cluster& cluster = clusters_[index];
  ++cluster.received;
  cluster.filtered += admission.result == Verdict::kFiltered ? 1 : 0;
  cluster.dropped += admission.result == Verdict::kBreakerDropped ? 1 : 0;
  cluster.rejected += admission.result == Verdict::kRejected ? 1 : 0;
  const bool as_it_must =
      admission.result == fate_->result && admission.reason == fate_->reason &&
      (fate_->duplicate_of.empty() || admission.incident_id == fate_->duplicate_of);
  const bool as_it_may = fate_->evicts && fate_->either && admission.result == Verdict::kRejected;
  Expect(as_it_must || as_it_may, Invariant::kIntake, [&] {
    return "an event ends as '" + admission.reason + "', but should as '" + fate_->reason + "'";
  });
  const auto merged = open_.find(fate_->duplicate_of);
  if (merged != open_.end() && merged->second.state == State::kQueued) {
    ++merged->second.occurrences;
    merged->second.severity = std::max(merged->second.severity, fate_->severity);
  }
  env_.transitions.Count("event", "received",
                         admission.result == Verdict::kQueued           ? "queued"
                         : admission.result == Verdict::kFiltered       ? "filtered"
                         : admission.result == Verdict::kBreakerDropped ? "dropped"
                                                                        : "rejected");
}

void IncidentTruth::Decided(const ingest::EventQueued& queued) {
  const auto index = static_cast<std::size_t>(
      std::find_if(clusters_.begin(), clusters_.end(),
                   [&](const Cluster& c) { return c.name == queued.incident.event.cluster; }) -
      clusters_.begin());
  Cluster& cluster = clusters_.at(index);
  Expect(!ended_.contains(queued.incident.id) && !open_.contains(queued.incident.id),
         Invariant::kOneTerminalStatus, [&] { return queued.incident.id + " is queued twice"; });
  Expect(fate_ && fate_->result == ingest::Scheduler::Admission::Result::kQueued &&
             fate_->evicts == evicted_,
         Invariant::kIntake, [&] { return queued.incident.id + " is queued, but should not be"; });
  if (!fate_) return;
  Open incident;
  incident.cluster = index;
  incident.since = env_.Now();
  incident.key = fate_->key;
  incident.severity = fate_->severity;
  dedup_.Queued(incident.key, queued.incident.id, env_.Now());
  Transit(nullptr, "queued");
  open_.emplace(queued.incident.id, incident);
  cluster.queue.push_back(queued.incident.id);
  ++cluster.queued;
}

void IncidentTruth::CheckVictim(const std::string& id, const Open& incident) const {
  const Cluster& cluster = clusters_[incident.cluster];
  const bool may = fate_ && fate_->evicts &&
                   std::count(fate_->victims.begin(), fate_->victims.end(), incident.cluster) != 0;
  Expect(may, Invariant::kIntake, [&] { return id + " is evicted, but need not be"; });
  for (const std::string& other : cluster.queue) {
    const Open& rival = open_.at(other);
    Expect(!Critical(incident) || Critical(rival), Invariant::kQueueOrder,
           [&] { return id + " is critical and evicted, but " + other + " is not critical"; });
    Expect(Critical(rival) != Critical(incident) || Waited(rival) <= Waited(incident),
           Invariant::kQueueOrder, [&] { return id + " is evicted, but " + other + " is older"; });
  }
}

}  // namespace runner::sim
