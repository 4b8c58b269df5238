// The expected and the actual results of events.

#include <algorithm>
#include <utility>

#include "tests/sim/reference_model.h"

namespace runner::sim {

void ReferenceModel::BeforeEvent(ingest::ClusterIndex cluster, const FaultEvent& event,
                                 ingest::Scheduler::Origin origin) {
  Expect(Configured(cluster), Invariant::kClusters, [&] {
    return "an event of the removed cluster " + clusters_[cluster].name + " is accepted";
  });
  FaultEvent own = event;
  own.cluster = clusters_[cluster].name;
  disposition_ = DispositionOf(cluster, own, origin);
}

ReferenceModel::Disposition ReferenceModel::DispositionOf(ingest::ClusterIndex cluster,
                                                          const FaultEvent& event,
                                                          ingest::Scheduler::Origin origin) {
  using Verdict = ingest::Scheduler::Disposition;
  Disposition disposition;
  disposition.severity = event.severity;
  disposition.key = KeyOf(options_.dedup_key, event);
  const auto end = [&disposition](Verdict result, std::optional<ingest::FilterReason> reason = {}) {
    disposition.result = result;
    disposition.filter_reason = reason;
    return disposition;
  };
  if (const auto reason = filters_[cluster].Rejects(event)) {
    return end(Verdict::kFiltered, reason);
  }
  if (const auto taken = dedup_.OnEvent(disposition.key, env_.Now())) {
    disposition.above = !taken->open && event.severity > taken->level;
    if (!disposition.above || origin == ingest::Scheduler::Origin::kBackfill) {
      disposition.duplicate_of = taken->incident;
      return end(Verdict::kFiltered, ingest::FilterReason::kDuplicate);
    }
    disposition.escalates = taken->incident;
  }
  if (breaker_.state() == BreakerRule::State::kOpen &&
      options_.breaker_policy == ingest::BreakerPolicy::kDrop) {
    return end(Verdict::kBreakerDropped);
  }
  JudgeRoom(cluster, disposition);
  return disposition;
}

Invariant ReferenceModel::InvariantOf(const Disposition& disposition) const {
  if (!disposition.rerun_of.empty()) return Invariant::kRerun;
  return disposition.above ? Invariant::kEscalation : Invariant::kIntake;
}

void ReferenceModel::BeforeRerun(const std::string& incident_id) {
  using Answer = ingest::Scheduler::Rerun::Result;
  rerun_ = {};
  if (const auto open = open_.find(incident_id); open != open_.end()) {
    rerun_.result = Answer::kNotEnded;
    rerun_.state = open->second.state == State::kQueued    ? ingest::IncidentState::kQueued
                   : open->second.state == State::kOffered ? ingest::IncidentState::kOffered
                                                           : ingest::IncidentState::kRunning;
    return;
  }
  const auto found = ended_.find(incident_id);
  if (found == ended_.end()) return;
  const Ended& ended = found->second;
  if (ended_.size() - ended.place >= options_.history_count) return;  // removed from the history
  if (!Configured(ended.cluster)) {
    rerun_.result = Answer::kNotConfigured;
    return;
  }
  if (const auto open = dedup_.Open(ended.key)) {
    rerun_.result = Answer::kOpenElsewhere;
    rerun_.incident_id = *open;
    return;
  }
  Disposition disposition;
  disposition.rerun_of = incident_id;
  disposition.key = ended.key;
  disposition.severity = ended.severity;
  JudgeRoom(ended.cluster, disposition);
  const bool queued = disposition.result == ingest::Scheduler::Disposition::kQueued;
  rerun_.result = queued ? Answer::kQueued : Answer::kRejected;
  ++clusters_[ended.cluster].received;
  disposition_ = std::move(disposition);
}

void ReferenceModel::OnRerun(const ingest::Scheduler::Rerun& answer) {
  using Answer = ingest::Scheduler::Rerun::Result;
  const bool as_it_must =
      answer.result == rerun_.result && answer.state == rerun_.state &&
      (answer.result == Answer::kQueued || answer.incident_id == rerun_.incident_id);
  const bool as_it_may = disposition_ && disposition_->evicts && disposition_->either &&
                         answer.result == Answer::kRejected;
  Expect(as_it_must || as_it_may, Invariant::kRerun, [&] {
    return "a rerun of " +
           (disposition_ ? disposition_->rerun_of : "an incident that cannot be rerun") +
           " has the wrong response";
  });
  if (!disposition_) return;
  const bool rejected = answer.result == Answer::kRejected;
  clusters_[ended_.at(disposition_->rerun_of).cluster].rejected += rejected ? 1 : 0;
  env_.transitions.Count("event", "received", rejected ? "rejected" : "rerun");
}

void ReferenceModel::JudgeRoom(ingest::ClusterIndex cluster, Disposition& disposition) const {
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
    if (pays) disposition.victims.push_back(i);
  }
  const auto gives_way = [&](ingest::ClusterIndex i) {
    const auto& queue = clusters_[i].queue;
    const auto normal = [this](const std::string& id) { return !Critical(open_.at(id)); };
    if (disposition.severity == Severity::kCritical) return !queue.empty();
    return std::any_of(queue.begin(), queue.end(), normal);
  };
  disposition.evicts =
      options_.overflow_policy == ingest::OverflowPolicy::kDropOldest &&
      std::any_of(disposition.victims.begin(), disposition.victims.end(), gives_way);
  disposition.either =
      !std::all_of(disposition.victims.begin(), disposition.victims.end(), gives_way);
  if (disposition.evicts) return;
  disposition.result = ingest::Scheduler::Disposition::kRejected;
}

void ReferenceModel::OnEvent(ingest::ClusterIndex index,
                             const ingest::Scheduler::EventResult& result) {
  using Verdict = ingest::Scheduler::Disposition;
  Cluster& cluster = clusters_[index];
  ++cluster.received;
  cluster.filtered += result.disposition == Verdict::kFiltered ? 1 : 0;
  cluster.dropped += result.disposition == Verdict::kBreakerDropped ? 1 : 0;
  cluster.rejected += result.disposition == Verdict::kRejected ? 1 : 0;
  const bool as_it_must =
      result.disposition == disposition_->result &&
      result.filter_reason == disposition_->filter_reason &&
      (disposition_->duplicate_of.empty() || result.incident_id == disposition_->duplicate_of);
  const bool as_it_may =
      disposition_->evicts && disposition_->either && result.disposition == Verdict::kRejected;
  Expect(as_it_must || as_it_may, InvariantOf(*disposition_), [&] {
    const ingest::Scheduler::EventResult expected{
        disposition_->result, disposition_->filter_reason, {}};
    return "an event ends as '" + std::string(result.Reason()) + "', but should as '" +
           std::string(expected.Reason()) + "'";
  });
  const auto merged = open_.find(disposition_->duplicate_of);
  if (merged != open_.end() && merged->second.state == State::kQueued) {
    ++merged->second.occurrences;
    merged->second.severity = std::max(merged->second.severity, disposition_->severity);
  }
  env_.transitions.Count("event", "received",
                         result.disposition == Verdict::kQueued && disposition_->above ? "escalated"
                         : result.disposition == Verdict::kQueued                      ? "queued"
                         : result.disposition == Verdict::kFiltered                    ? "filtered"
                         : result.disposition == Verdict::kBreakerDropped              ? "dropped"
                                                                          : "rejected");
}

void ReferenceModel::Decided(const ingest::EventEscalated& escalated) {
  escalated_ = true;
  Expect(disposition_ && disposition_->escalates == escalated.incident_id, Invariant::kEscalation,
         [&] { return "an event escalates " + escalated.incident_id + ", but must not"; });
}

void ReferenceModel::Decided(const ingest::EventQueued& queued) {
  const auto index = static_cast<std::size_t>(
      std::find_if(clusters_.begin(), clusters_.end(),
                   [&](const Cluster& c) { return c.name == queued.incident.event.cluster; }) -
      clusters_.begin());
  Cluster& cluster = clusters_.at(index);
  Expect(!ended_.contains(queued.incident.id) && !open_.contains(queued.incident.id),
         Invariant::kOneTerminalStatus, [&] { return queued.incident.id + " is queued twice"; });
  Expect(disposition_ && disposition_->result == ingest::Scheduler::Disposition::kQueued &&
             disposition_->evicts == evicted_,
         disposition_ ? InvariantOf(*disposition_) : Invariant::kIntake,
         [&] { return queued.incident.id + " is queued, but should not be"; });
  if (!disposition_) return;
  Expect(queued.incident.rerun_of == disposition_->rerun_of &&
             queued.incident.event.severity == disposition_->severity &&
             KeyOf(options_.dedup_key, queued.incident.event) == disposition_->key,
         InvariantOf(*disposition_), [&] { return queued.incident.id + " is the wrong incident"; });
  Open incident;
  incident.cluster = index;
  incident.since = env_.Now();
  incident.key = disposition_->key;
  incident.severity = disposition_->severity;
  dedup_.Queued(incident.key, queued.incident.id, env_.Now());
  Transit(nullptr, "queued");
  open_.emplace(queued.incident.id, incident);
  cluster.queue.push_back(queued.incident.id);
  ++cluster.queued;
}

void ReferenceModel::CheckVictim(const std::string& id, const Open& incident) const {
  const Cluster& cluster = clusters_[incident.cluster];
  const bool may =
      disposition_ && disposition_->evicts &&
      std::count(disposition_->victims.begin(), disposition_->victims.end(), incident.cluster) != 0;
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
