// What an earlier life of ingest left in the journal.

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "ingest/core/scheduler.h"

namespace runner::ingest {
namespace {

// The moment `then` of an earlier life on this life's monotonic clock. The wall clock is all that
// two lives share; when it says that `then` is yet to come, it is now.
MonoTime InThisLife(WallTime then, const Instant& now) {
  return now.mono - std::max(WallTime::duration::zero(), now.wall - then);
}

}  // namespace

std::vector<std::string> Scheduler::Restore(std::vector<RestoredIncident> incidents,
                                            const Instant& now, Effects& effects) {
  // Those that ended in the order of their end, then those that wait in the order of their age: an
  // open incident takes its key from one that ended, even if the wall clock was set back in
  // between.
  const auto age = [](const RestoredIncident& one) {
    const bool queued = one.progress.state == IncidentState::kQueued;
    return queued ? one.progress.since -
                        std::chrono::duration_cast<WallTime::duration>(one.progress.waited)
                  : one.progress.since;
  };
  std::sort(incidents.begin(), incidents.end(), [&](const auto& a, const auto& b) {
    const auto rank = [&](const RestoredIncident& one) {
      return std::tuple(one.progress.state != IncidentState::kFinished, age(one),
                        std::string_view(one.incident.id));
    };
    return rank(a) < rank(b);
  });
  std::vector<std::string> unknown;
  for (RestoredIncident& restored : incidents) {
    if (const auto index = ClusterOf(restored.incident.event.cluster)) {
      RestoreOne(std::move(restored), *index, now);
    } else {
      unknown.push_back(restored.incident.id);
    }
  }
  next_sweep_ = now.mono;  // some were too old before anybody was there to say so
  for (ClusterIndex i = 0; i < clusters_.size(); ++i) TakeTurn(i);
  Dispatch(now, effects);
  return unknown;
}

void Scheduler::RestoreOne(RestoredIncident restored, ClusterIndex index, const Instant& now) {
  Cluster& cluster = clusters_[index];
  IncidentRecord earlier;
  static_cast<IncidentProgress&>(earlier) = std::move(restored.progress);
  earlier.incident = std::move(restored.incident);
  earlier.cluster = index;
  earlier.received_mono = InThisLife(earlier.incident.event.received_at, now);
  earlier.offered_at = InThisLife(earlier.leased_at, now);
  IncidentRecord& record = incidents_.Add(std::move(earlier));
  const std::string& id = record.incident.id;
  const std::string key = DedupKeyOf(options_.dedup_key, record.incident.event);
  const MonoTime since = InThisLife(record.since, now);
  const bool leased =
      record.state == IncidentState::kOffered || record.state == IncidentState::kRunning;
  if (record.started || leased) rate_.Begin(record.offered_at);
  if (record.state == IncidentState::kFinished) {
    if (EndedAsRun(record)) {
      dedup_.OnQueued(key, id, record.received_mono);
      dedup_.OnRunEnded(key, id, record.incident.event.severity, since);
    }
    incidents_.Finish(record, record.status, record.reason);
    return;
  }
  dedup_.OnQueued(key, id, record.received_mono);
  if (leased) {
    leases_.Restore(record.executor_id, {id, record.attempt},
                    record.state == IncidentState::kRunning, now.mono);
    ++cluster.leased;
    ++cluster.counters.leases_restored;
  } else {
    record.place = waiting_.PushBack(index, PriorityOf(record.incident.event.severity),
                                     {id, since - record.waited});
    ++cluster.counters.restored;
  }
}

}  // namespace runner::ingest
