// What operators ask for.

#include <utility>

#include "ingest/core/scheduler.h"

namespace runner::ingest {

Scheduler::Cancelled Scheduler::Cancel(const std::string& incident_id, const Instant& now,
                                       Effects& effects) {
  IncidentRecord* record = incidents_.Find(incident_id);
  if (record == nullptr) return Cancelled::kUnknown;
  if (record->state == IncidentState::kFinished) return Cancelled::kEndedBefore;
  if (record->state == IncidentState::kQueued) {
    waiting_.Take(record->cluster, record->place);
    ++clusters_[record->cluster].counters.evicted[kCancelled];
    Finish(*record, kCancelled, kCancelled, now, effects);
    return Cancelled::kEnded;
  }
  record->cancel_requested = true;
  effects.push_back(ChangeOf(*record));
  const Lease lease{incident_id, record->attempt};
  const LeaseTable::Executor& executor = leases_.executors().at(record->executor_id);
  // One that is away is told when it says that it still runs it.
  if (executor.attached())
    effects.push_back(ToExecutor{executor.stream, dispatch::Cancel{lease, kCancelled}});
  return Cancelled::kStopping;
}

Scheduler::Rerun Scheduler::RerunIncident(const std::string& incident_id, const Instant& now,
                                          Effects& effects) {
  using Result = Rerun::Result;
  const IncidentRecord* const earlier = incidents_.Find(incident_id);
  if (earlier == nullptr) return {.result = Result::kUnknown};
  if (earlier->state != IncidentState::kFinished) {
    return {.result = Result::kNotEnded, .state = earlier->state};
  }
  const ClusterIndex index = earlier->cluster;
  Cluster& cluster = clusters_[index];
  if (!cluster.configured) return {.result = Result::kNotConfigured};
  const std::string key = DedupKeyOf(options_.dedup_key, earlier->incident.event);
  if (const std::string* open = dedup_.Open(key)) {
    return {.result = Result::kOpenElsewhere, .incident_id = *open};
  }

  // A copy: the earlier one may be forgotten when another has to make room.
  Incident incident{.id = new_id_(now.wall),
                    .event = earlier->incident.event,
                    .last_seen = now.wall,
                    .rerun_of = incident_id};
  incident.event.received_at = now.wall;
  ++cluster.counters.received[static_cast<std::size_t>(incident.event.severity)];
  effects.push_back(EventReceived{EventId(incident), incident.event});
  if (Rejected(index, incident, now, effects)) return {.result = Result::kRejected};
  return {.result = Result::kQueued,
          .incident_id = Queue(index, std::move(incident), key, now, effects).incident_id};
}

void Scheduler::ResetBreaker(const Instant& now, Effects& effects) {
  if (breaker_.Reset()) TellBreaker(effects);
  Dispatch(now, effects);
}

}  // namespace runner::ingest
