// The way of an event into the queue: filter, duplicate, breaker, bounds.

#include <algorithm>
#include <utility>

#include "ingest/core/scheduler.h"

namespace runner::ingest {

Scheduler::Admission Scheduler::OnEvent(ClusterIndex index, FaultEvent event, const Instant& now,
                                        Effects& effects, Origin origin) {
  Cluster& cluster = clusters_.at(index);
  event.cluster = cluster.name;
  event.timestamp = std::min(event.timestamp, now.wall);
  ++cluster.counters.received[static_cast<std::size_t>(event.severity)];
  Incident incident{.id = new_id_(now.wall), .event = std::move(event), .last_seen = now.wall};
  effects.push_back(EventReceived{EventId(incident), incident.event});

  const std::string key = DedupKeyOf(options_.dedup_key, incident.event);
  if (const auto end = Filtered(cluster, incident, effects)) return *end;
  if (const auto end = Duplicate(cluster, incident, key, origin, now, effects)) return *end;
  if (const auto end = BreakerDropped(cluster, incident, effects)) return *end;
  if (const auto end = Rejected(index, incident, now, effects)) return *end;
  return Queue(index, std::move(incident), key, now, effects);
}

Scheduler::Admission Scheduler::Queue(ClusterIndex index, Incident incident, const std::string& key,
                                      const Instant& now, Effects& effects) {
  IncidentRecord accepted;
  accepted.incident = std::move(incident);
  accepted.cluster = index;
  accepted.received_mono = now.mono;
  accepted.since = now.wall;
  IncidentRecord& record = incidents_.Add(std::move(accepted));
  const std::string id = record.incident.id;
  record.place =
      waiting_.PushBack(index, PriorityOf(record.incident.event.severity), {id, now.mono});
  dedup_.OnQueued(key, id, now.mono);
  ++clusters_[index].counters.queued;
  Persist added = ChangeOf(record);
  added.change.added = record.incident;
  effects.push_back(std::move(added));
  effects.push_back(EventQueued{record.incident, waiting_.Of(index).size()});
  ArmSweep(now);
  TakeTurn(index);
  Dispatch(now, effects);
  return {Admission::Result::kQueued, {}, id};
}

void Scheduler::OnInvalidEvent(ClusterIndex index, const std::string& reason,
                               std::optional<Severity> severity) {
  ClusterCounters& counters = clusters_.at(index).counters;
  ++counters.received[severity ? static_cast<std::size_t>(*severity) : kUnknownSeverity];
  ++counters.invalid[reason];
}

std::optional<Scheduler::Admission> Scheduler::Filtered(Cluster& cluster, const Incident& incident,
                                                        Effects& effects) {
  const auto reason = cluster.filter.Rejects(incident.event);
  if (!reason) return std::nullopt;
  ++cluster.counters.filtered[std::string(*reason)];
  effects.push_back(EventFiltered{EventId(incident), incident.event, std::string(*reason),
                                  cluster.filter.threshold()});
  return Admission{Admission::Result::kFiltered, std::string(*reason), {}};
}

std::optional<Scheduler::Admission> Scheduler::Duplicate(Cluster& cluster, const Incident& incident,
                                                         const std::string& key, Origin origin,
                                                         const Instant& now, Effects& effects) {
  const auto duplicate = dedup_.OnEvent(key, now.mono);
  if (!duplicate) return std::nullopt;
  const Severity severity = incident.event.severity;
  if (!duplicate->open && severity > duplicate->level && origin == Origin::kLive) {
    effects.push_back(EventEscalated{duplicate->incident_id, duplicate->level});
    return std::nullopt;
  }
  IncidentRecord* record = incidents_.Find(duplicate->incident_id);
  const IncidentState state = record != nullptr ? record->state : IncidentState::kFinished;
  if (state == IncidentState::kQueued) Merge(*record, incident.event, effects);
  ++cluster.counters.filtered["duplicate"];
  effects.push_back(EventFiltered{EventId(incident), incident.event, "duplicate",
                                  cluster.filter.threshold(), duplicate->incident_id, state,
                                  record != nullptr ? record->status : "", duplicate->taken_for});
  return Admission{Admission::Result::kFiltered, "duplicate", duplicate->incident_id};
}

void Scheduler::Merge(IncidentRecord& record, const FaultEvent& event, Effects& effects) {
  Incident& incident = record.incident;
  ++incident.occurrences;
  incident.last_seen = std::max(incident.last_seen, event.received_at);
  if (event.severity <= incident.event.severity) return;
  incident.event.severity = event.severity;
  if (PriorityOf(event.severity) == Priority::kCritical) {
    record.place = waiting_.Raise(record.cluster, record.place);
  }
  // How often it came is told with the next change: it is not worth a commit for every repeat.
  effects.push_back(ChangeOf(record));
}

std::optional<Scheduler::Admission> Scheduler::BreakerDropped(Cluster& cluster,
                                                              const Incident& incident,
                                                              Effects& effects) {
  if (breaker_.state() != CircuitBreaker::State::kOpen) return std::nullopt;
  if (options_.breaker_policy == BreakerPolicy::kHold) return std::nullopt;
  ++cluster.counters.breaker_dropped;
  effects.push_back(EventBreakerDropped{EventId(incident), incident.event});
  return Admission{Admission::Result::kBreakerDropped, "circuit_breaker", {}};
}

std::optional<Scheduler::Admission> Scheduler::Rejected(ClusterIndex index,
                                                        const Incident& newcomer,
                                                        const Instant& now, Effects& effects) {
  const bool own_full = waiting_.Of(index).size() >= options_.cluster_queue_size;
  if (!own_full && waiting_.size() < options_.global_queue_size) return std::nullopt;
  // One victim is enough: a requeue may exceed the bounds, but it does not raise them.
  const ClusterIndex full = own_full ? index : waiting_.Longest(index);
  const std::size_t depth = waiting_.Of(full).size();
  const std::size_t waiting = waiting_.size();
  std::optional<ClusterQueue::Entry> victim;
  if (options_.overflow_policy == OverflowPolicy::kDropOldest) {
    victim = waiting_.PopVictim(full, PriorityOf(newcomer.event.severity));
  }
  if (!victim) {
    Cluster& cluster = clusters_[index];
    ++cluster.counters.rejected;
    effects.push_back(QueueOverflowed{EventId(newcomer), cluster.name, waiting_.Of(index).size(),
                                      waiting_.size(), true});
    return Admission{Admission::Result::kRejected, "overflow", {}};
  }
  IncidentRecord& evicted = *incidents_.Find(victim->incident_id);
  ++clusters_[full].counters.evicted["overflow"];
  effects.push_back(
      QueueOverflowed{EventId(evicted.incident), clusters_[full].name, depth, waiting});
  Finish(evicted, "evicted", "overflow", now, effects);
  return std::nullopt;
}

}  // namespace runner::ingest
