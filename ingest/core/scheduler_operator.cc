// What operators ask for.

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
  const LeaseBook::Executor& executor = leases_.executors().at(record->executor_id);
  // One that is away is told when it says that it still runs it.
  if (executor.attached()) effects.push_back(SendCancel{executor.stream, lease, kCancelled});
  return Cancelled::kStopping;
}

void Scheduler::ResetBreaker(const Instant& now, Effects& effects) {
  if (breaker_.Reset()) TellBreaker(effects);
  Dispatch(now, effects);
}

}  // namespace runner::ingest
