#include "ingest/core/scheduler.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

namespace runner::ingest {

using dispatch::CancelReason;

std::string_view ToString(OverflowPolicy policy) {
  return policy == OverflowPolicy::kDropOldest ? "drop-oldest" : "reject-newest";
}

std::string_view ToString(BreakerPolicy policy) {
  return policy == BreakerPolicy::kDrop ? "drop" : "hold";
}

namespace {

// Converts a time from before the restart to this process's monotonic clock. The two processes
// share only the wall clock; a time in the future becomes now.
MonoTime ToMonotonic(WallTime then, const Instant& now) {
  return now.mono - std::max(WallTime::duration::zero(), now.wall - then);
}

}  // namespace

Scheduler::Scheduler(SchedulerOptions options, NewId new_id)
    : options_(std::move(options)),
      new_id_(std::move(new_id)),
      incidents_(options_.history_count, options_.history_bytes),
      dedup_(options_.dedup),
      breaker_(options_.breaker),
      run_limit_(options_.max_runs_per_hour),
      leases_(options_.leases) {
  clusters_.reserve(options_.clusters.size());
  for (const ClusterOptions& cluster : options_.clusters) {
    if (cluster_by_name_.contains(cluster.name)) {
      throw std::invalid_argument("duplicate cluster: " + cluster.name);
    }
    AddCluster(cluster);
  }
}

// --- clusters ------------------------------------------------------------------------------------

void Scheduler::AddCluster(const ClusterOptions& cluster) {
  cluster_by_name_.emplace(cluster.name, clusters_.size());
  clusters_.push_back({cluster.name, EventFilter(cluster.filter)});
  waiting_.AddCluster();
}

bool Scheduler::SetClusters(const std::vector<ClusterOptions>& clusters) {
  const auto added = std::count_if(
      clusters.begin(), clusters.end(),
      [this](const ClusterOptions& cluster) { return !cluster_by_name_.contains(cluster.name); });
  if (clusters_.size() + static_cast<std::size_t>(added) > options_.max_clusters) return false;
  for (Cluster& cluster : clusters_) cluster.configured = false;
  for (const ClusterOptions& cluster : clusters) {
    const auto known = cluster_by_name_.find(cluster.name);
    if (known == cluster_by_name_.end()) {
      AddCluster(cluster);
      continue;
    }
    clusters_[known->second].configured = true;
    clusters_[known->second].filter = EventFilter(cluster.filter);
  }
  return true;
}

std::optional<ClusterIndex> Scheduler::ClusterOf(std::string_view name) const {
  const auto found = cluster_by_name_.find(std::string(name));
  if (found == cluster_by_name_.end() || !clusters_[found->second].configured) return std::nullopt;
  return found->second;
}

Scheduler::ClusterView Scheduler::View(ClusterIndex index) const {
  const Cluster& cluster = clusters_.at(index);
  const ClusterQueue& queue = waiting_.Of(index);
  std::optional<WallTime> oldest;
  if (const ClusterQueue::Entry* entry = queue.Oldest()) {
    oldest = incidents_.Find(entry->incident_id)->incident.event.received_at;
  }
  return {cluster.name, cluster.counters, queue.size(), cluster.leased, oldest, cluster.configured};
}

// --- restart -------------------------------------------------------------------------------------

std::vector<std::string> Scheduler::Restore(std::vector<RestoredIncident> incidents,
                                            const Instant& now, Effects& effects) {
  // Finished incidents in the order of their end, then open ones in the order of their age. So an
  // open incident takes its key from a finished one even if the wall clock was set back in between.
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
  next_sweep_ = now.mono;  // some may have exceeded max_queue_age during the restart
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
  earlier.received_mono = ToMonotonic(earlier.incident.event.received_at, now);
  earlier.offered_at = ToMonotonic(earlier.leased_at, now);
  IncidentRecord& record = incidents_.Add(std::move(earlier));
  const std::string& id = record.incident.id;
  const std::string key = DedupKeyOf(options_.dedup_key, record.incident.event);
  const MonoTime since = ToMonotonic(record.since, now);
  const bool leased =
      record.state == IncidentState::kOffered || record.state == IncidentState::kRunning;
  if (record.started || leased) run_limit_.Begin(record.offered_at);
  if (record.state == IncidentState::kFinished) {
    if (EndedAsRun(record)) {
      dedup_.OnQueued(key, id, record.received_mono);
      dedup_.OnRunEnded(key, id, record.incident.event.severity, since);
    }
    incidents_.Finish(record, *record.status, record.reason);
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

// --- events: filter, duplicate, circuit breaker, bounds, queue -----------------------------------

Scheduler::EventResult Scheduler::OnEvent(ClusterIndex index, FaultEvent event, const Instant& now,
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

void Scheduler::OnInvalidEvent(ClusterIndex index, const std::string& reason,
                               std::optional<Severity> severity) {
  ClusterCounters& counters = clusters_.at(index).counters;
  ++counters.received[severity ? static_cast<std::size_t>(*severity) : kUnknownSeverity];
  ++counters.invalid[reason];
}

std::optional<Scheduler::EventResult> Scheduler::Filtered(Cluster& cluster,
                                                          const Incident& incident,
                                                          Effects& effects) {
  const auto reason = cluster.filter.Rejects(incident.event);
  if (!reason) return std::nullopt;
  ++cluster.counters.filtered[*reason];
  effects.push_back(
      EventFiltered{EventId(incident), incident.event, *reason, cluster.filter.threshold()});
  return EventResult{.disposition = Disposition::kFiltered, .filter_reason = reason};
}

std::optional<Scheduler::EventResult> Scheduler::Duplicate(Cluster& cluster,
                                                           const Incident& incident,
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
  ++cluster.counters.filtered[FilterReason::kDuplicate];
  effects.push_back(EventFiltered{EventId(incident), incident.event, FilterReason::kDuplicate,
                                  cluster.filter.threshold(), duplicate->incident_id, state,
                                  record != nullptr ? record->status : std::nullopt,
                                  duplicate->taken_for});
  return EventResult{.disposition = Disposition::kFiltered,
                     .filter_reason = FilterReason::kDuplicate,
                     .incident_id = duplicate->incident_id};
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
  // `occurrences` is persisted with the next change; a repeat alone is not worth a commit.
  effects.push_back(ChangeOf(record));
}

std::optional<Scheduler::EventResult> Scheduler::BreakerDropped(Cluster& cluster,
                                                                const Incident& incident,
                                                                Effects& effects) {
  if (breaker_.state() != CircuitBreaker::State::kOpen) return std::nullopt;
  if (options_.breaker_policy == BreakerPolicy::kHold) return std::nullopt;
  ++cluster.counters.breaker_dropped;
  effects.push_back(EventBreakerDropped{EventId(incident), incident.event});
  return EventResult{.disposition = Disposition::kBreakerDropped};
}

std::optional<Scheduler::EventResult> Scheduler::Rejected(ClusterIndex index,
                                                          const Incident& newcomer,
                                                          const Instant& now, Effects& effects) {
  const bool own_full = waiting_.Of(index).size() >= options_.cluster_queue_size;
  if (!own_full && waiting_.size() < options_.global_queue_size) return std::nullopt;
  // One victim is enough: requeues may exceed the bounds but do not raise them.
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
    return EventResult{.disposition = Disposition::kRejected};
  }
  IncidentRecord& evicted = *incidents_.Find(victim->incident_id);
  ++clusters_[full].counters.evicted[EvictReason::kOverflow];
  effects.push_back(
      QueueOverflowed{EventId(evicted.incident), clusters_[full].name, depth, waiting});
  Finish(evicted, FinalStatus::kEvicted, "overflow", now, effects);
  return std::nullopt;
}

Scheduler::EventResult Scheduler::Queue(ClusterIndex index, Incident incident,
                                        const std::string& key, const Instant& now,
                                        Effects& effects) {
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
  return {.disposition = Disposition::kQueued, .incident_id = id};
}

std::string_view Scheduler::EventResult::Reason() const {
  switch (disposition) {
    case Disposition::kQueued:
      return "";
    case Disposition::kFiltered:
      return ToString(*filter_reason);
    case Disposition::kBreakerDropped:
      return "circuit_breaker";
    case Disposition::kRejected:
      break;
  }
  return "overflow";
}

// --- leases: which cluster is next ---------------------------------------------------------------

void Scheduler::Dispatch(const Instant& now, Effects& effects) {
  run_limit_.Forget(now.mono);
  leases_.ResumeOffers(now.mono);
  while (!turns_.empty() && WhyNothingIsLeased(now.mono) == WaitReason::kNone) {
    const ClusterIndex index = turns_.front();
    turns_.pop_front();
    clusters_[index].in_turn = false;
    if (Eligible(index)) LeaseNext(index, now, effects);
    TakeTurn(index);
  }
}

void Scheduler::TakeTurn(ClusterIndex index) {
  Cluster& cluster = clusters_[index];
  if (cluster.in_turn || !Eligible(index)) return;
  cluster.in_turn = true;
  turns_.push_back(index);
}

bool Scheduler::Eligible(ClusterIndex index) const {
  return !waiting_.Of(index).empty() && clusters_[index].leased < options_.max_agents_per_cluster;
}

Scheduler::WaitReason Scheduler::WhyNothingIsLeased(MonoTime now) const {
  if (draining_) return WaitReason::kDraining;
  if (breaker_.state() == CircuitBreaker::State::kOpen) return WaitReason::kBreakerOpen;
  if (!breaker_.AdmitsLease()) return WaitReason::kBreakerProbing;
  if (leases_.leases().size() >= options_.max_concurrent_agents) return WaitReason::kAllBusy;
  if (const auto next = run_limit_.NextDeadline(); next && now < *next)
    return WaitReason::kHourlyRunLimit;
  if (leases_.LeastLoaded() != nullptr) return WaitReason::kNone;
  bool attached = false;
  bool slowed = false;  // an executor with a free slot has an offer delay
  for (const auto& [id, executor] : leases_.executors()) {
    if (!executor.attached() || executor.draining) continue;
    attached = true;
    const bool has_slot =
        executor.credits > executor.offers && executor.leases.size() < executor.slots;
    slowed = slowed || (has_slot && executor.next_offer);
  }
  return slowed     ? WaitReason::kOffersDelayed
         : attached ? WaitReason::kNoFreeSlot
                    : WaitReason::kNoExecutor;
}

Scheduler::WaitReason Scheduler::WhyNotLeased(ClusterIndex cluster, MonoTime now) const {
  const WaitReason of_all = WhyNothingIsLeased(now);
  const bool busy = clusters_[cluster].leased >= options_.max_agents_per_cluster;
  return of_all == WaitReason::kNone && busy ? WaitReason::kClusterBusy : of_all;
}

void Scheduler::LeaseNext(ClusterIndex index, const Instant& now, Effects& effects) {
  Cluster& cluster = clusters_[index];
  std::optional<ClusterQueue::Entry> next = waiting_.PopFront(index);
  // The queue may hold over-age incidents between two sweeps. They expire here, and their cluster
  // keeps its turn.
  while (next && now.mono - next->waiting_since >= options_.max_queue_age) {
    Expire(*next, now, effects);
    next = waiting_.PopFront(index);
  }
  if (!next) return;
  IncidentRecord& record = *incidents_.Find(next->incident_id);
  const LeaseTable::Executor& executor = *leases_.LeastLoaded();
  const Lease lease{record.incident.id, ++record.attempt};
  record.waited = now.mono - next->waiting_since;
  record.state = IncidentState::kOffered;
  record.since = record.leased_at = now.wall;
  record.started = false;
  record.offered_at = now.mono;
  record.generation = breaker_.OnLeased();
  record.outcome.reset();  // of an earlier attempt
  record.executor_id = executor.id;
  run_limit_.Begin(now.mono);
  leases_.Offer(executor, lease, now.mono);
  ++cluster.leased;
  ++cluster.counters.dequeued;
  effects.push_back(ChangeOf(record));
  effects.push_back(ToExecutor{executor.stream, dispatch::Offer{lease, record.incident}});
  effects.push_back(IncidentLeased{lease, cluster.name, executor.id});
}

// --- executors -----------------------------------------------------------------------------------

void Scheduler::OnHello(StreamId stream, const dispatch::Hello& hello, const Instant& now,
                        Effects& effects) {
  const LeaseTable::Attached attached = leases_.Attach(stream, hello, now.mono);
  if (attached.superseded != kNoStream) effects.push_back(CloseSuperseded{attached.superseded});
  dispatch::Welcome welcome{{}, options_.leases.keep_alive_interval, options_.leases.lease_ttl, {}};
  for (const Lease& lease : attached.kept) {
    incidents_.Find(lease.incident_id)->state = IncidentState::kRunning;
    welcome.decisions.push_back({lease, true});
  }
  for (const Lease& lease : attached.dropped) welcome.decisions.push_back({lease, false});
  effects.push_back(ToExecutor{stream, std::move(welcome)});
  for (const Lease& lease : attached.lost) OnLeaseLost(lease, RequeueReason::kLost, now, effects);
  if (draining_ && hello.sidecar) effects.push_back(ToExecutor{stream, dispatch::Drain{}});
  for (const Lease& lease : hello.running) {
    if (leases_.Current(stream, lease) == nullptr) continue;  // dropped
    if (incidents_.Find(lease.incident_id)->cancel_requested) {
      effects.push_back(ToExecutor{stream, dispatch::Cancel{lease, CancelReason::kCancelled}});
    } else if (cancelling_ && hello.sidecar) {
      effects.push_back(ToExecutor{stream, dispatch::Cancel{lease, CancelReason::kShutdown}});
    }
  }
  Dispatch(now, effects);
}

void Scheduler::OnCredits(StreamId stream, std::uint64_t total, const Instant& now,
                          Effects& effects) {
  leases_.GrantCredits(stream, total);
  Dispatch(now, effects);
}

void Scheduler::OnAccepted(StreamId stream, const Lease& lease, Effects& effects) {
  if (leases_.Current(stream, lease) == nullptr) {
    effects.push_back(ToExecutor{stream, dispatch::Cancel{lease, CancelReason::kStale}});
    return;
  }
  leases_.Accept(lease);
  incidents_.Find(lease.incident_id)->state = IncidentState::kRunning;
}

void Scheduler::OnRejected(StreamId stream, const Lease& lease, dispatch::RejectReason reason,
                           const Instant& now, Effects& effects) {
  // An accepted lease cannot be rejected any more; a stale rejection is ignored.
  const LeaseTable::HeldLease* held = leases_.Current(stream, lease);
  if (held == nullptr || held->state != LeaseTable::LeaseState::kOffered) return;
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  EndLease(record, false, std::nullopt, now, effects);
  leases_.SlowOffers(stream, record.offered_at, now.mono);
  // A rejection is no attempt: no agent ran, and the offer delay doubles each time.
  GiveBack(record, false, {RequeueReason::kRejected, reason}, now, effects);
  Dispatch(now, effects);
}

void Scheduler::OnStarted(StreamId stream, const Lease& lease, const Instant& now,
                          Effects& effects) {
  OnAccepted(stream, lease, effects);
  if (leases_.Current(stream, lease) == nullptr) return;
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  if (std::exchange(record.started, true)) return;
  leases_.ResetOfferDelay(stream);
  const bool first = !std::exchange(record.ever_started, true);
  effects.push_back(ChangeOf(record));
  if (!first) return;
  counters_.dispatch_latency.Observe(ToSeconds(now.mono - record.received_mono));
}

void Scheduler::OnResult(StreamId stream, const Lease& lease, const Outcome& outcome,
                         const Instant& now, Effects& effects) {
  if (leases_.Current(stream, lease) == nullptr) {
    const IncidentRecord* record = incidents_.Find(lease.incident_id);
    const bool recorded = record != nullptr && record->state == IncidentState::kFinished &&
                          record->attempt == lease.attempt && record->outcome;
    if (recorded) {
      effects.push_back(ToExecutor{stream, dispatch::ResultAck{lease}});
    } else {
      effects.push_back(ToExecutor{stream, dispatch::Cancel{lease, CancelReason::kStale}});
    }
    return;
  }
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  EndLease(record, Ran(outcome), outcome.status, now, effects);
  record.outcome = outcome;
  effects.push_back(ToExecutor{stream, dispatch::ResultAck{lease}});
  if (outcome.status != RunStatus::kInterrupted) {
    Finish(record, FinalStatusOf(outcome.status), outcome.reason, now, effects);
  } else if (outcome.reason == kShortage && !record.started) {
    leases_.SlowOffers(stream, record.offered_at, now.mono);
    GiveBack(record, false, {RequeueReason::kShortage}, now, effects);
  } else {
    const bool last =
        outcome.reason == kExecutorLost ? CountLost(record) : CountInterrupted(record);
    GiveBack(record, last, {RequeueReason::kInterrupted}, now, effects);
  }
  Dispatch(now, effects);
}

void Scheduler::OnKeepAlive(StreamId stream, std::uint64_t seq, const Instant& now,
                            Effects& effects) {
  if (leases_.OfStream(stream) == nullptr) return;
  leases_.KeepAlive(stream, now.mono);
  effects.push_back(ToExecutor{stream, dispatch::KeepAliveAck{seq}});
}

void Scheduler::OnExecutorDraining(StreamId stream) { leases_.SetDraining(stream); }

void Scheduler::OnStreamClosed(StreamId stream, const Instant& now, Effects& effects) {
  Detach(stream, now, effects);
  leases_.ForgetIdle(now.mono);
  Dispatch(now, effects);
}

void Scheduler::Detach(StreamId stream, const Instant& now, Effects& effects) {
  const std::vector<Lease> unaccepted = leases_.UnacceptedOffers(stream);
  leases_.Detach(stream, now.mono);
  // The executor never accepts them on another stream. They are lost now, so that neither a drain
  // nor the next executor waits for `lease_ttl`.
  for (const Lease& lease : unaccepted) OnLeaseLost(lease, RequeueReason::kLost, now, effects);
}

void Scheduler::DetachSilent(const Instant& now, Effects& effects) {
  for (const StreamId stream : leases_.SilentBy(now.mono)) {
    const LeaseTable::Executor& executor = *leases_.OfStream(stream);
    effects.push_back(
        CancelSilent{stream, executor.id, now.mono - executor.alive_at, executor.leases.size()});
    Detach(stream, now, effects);
  }
}

// --- the end of a lease --------------------------------------------------------------------------

void Scheduler::OnLeaseLost(const Lease& lease, RequeueReason reason, const Instant& now,
                            Effects& effects) {
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  EndLease(record, false, std::nullopt, now, effects);
  GiveBack(record, CountLost(record), {reason}, now, effects);
}

void Scheduler::EndLease(IncidentRecord& record, bool ran, std::optional<RunStatus> status,
                         const Instant& now, Effects& effects) {
  leases_.Release(record.incident.id);
  --clusters_[record.cluster].leased;
  record.started = record.started || ran;
  record.ever_started = record.ever_started || record.started;
  if (record.started) {
    record.unstarted = 0;
  } else {
    run_limit_.Withdraw(record.offered_at);
  }
  if (breaker_.OnLeaseEnded(record.generation, status, now.mono)) ReportBreaker(effects);
  TakeTurn(record.cluster);
}

// Started may have been lost: some results prove that the agent had started.
bool Scheduler::Ran(const Outcome& outcome) {
  return outcome.started || outcome.status == RunStatus::kSuccess ||
         outcome.status == RunStatus::kFailure || outcome.status == RunStatus::kTimeout;
}

bool Scheduler::CountLost(IncidentRecord& record) const {
  return record.started ? ++record.lost >= options_.max_attempts
                        : ++record.unstarted >= options_.max_unstarted;
}

bool Scheduler::CountInterrupted(IncidentRecord& record) const {
  return record.started ? ++record.interrupted >= options_.max_interruptions
                        : ++record.unstarted >= options_.max_unstarted;
}

void Scheduler::GiveBack(IncidentRecord& record, bool last, Return returned, const Instant& now,
                         Effects& effects) {
  if (record.cancel_requested) {
    Finish(record, FinalStatus::kCancelled, kCancelled, now, effects);
  } else if (last) {
    Finish(record, FinalStatus::kFailure, "attempts_exhausted", now, effects);
  } else {
    Requeue(record, returned, now, effects);
  }
}

void Scheduler::Requeue(IncidentRecord& record, Return returned, const Instant& now,
                        Effects& effects) {
  Cluster& cluster = clusters_[record.cluster];
  record.state = IncidentState::kQueued;
  record.since = now.wall;
  record.place = waiting_.PushFront(record.cluster, PriorityOf(record.incident.event.severity),
                                    {record.incident.id, now.mono - record.waited});
  ++cluster.counters.requeued;
  ArmSweep(now);
  effects.push_back(ChangeOf(record));
  effects.push_back(IncidentRequeued{{record.incident.id, record.attempt},
                                     cluster.name,
                                     record.executor_id,
                                     returned.reason,
                                     returned.reject_reason});
  TakeTurn(record.cluster);
}

// --- the end of an incident ----------------------------------------------------------------------

void Scheduler::Expire(const ClusterQueue::Entry& entry, const Instant& now, Effects& effects) {
  IncidentRecord& record = *incidents_.Find(entry.incident_id);
  ++clusters_[record.cluster].counters.expired;
  effects.push_back(EventExpired{record.incident, now.mono - entry.waiting_since});
  Finish(record, FinalStatus::kExpired, "max_queue_age", now, effects);
}

void Scheduler::Finish(IncidentRecord& record, FinalStatus status, const std::string& reason,
                       const Instant& now, Effects& effects) {
  Cluster& cluster = clusters_[record.cluster];
  ++cluster.counters.finished[status];
  const std::string& id = record.incident.id;
  const std::string key = DedupKeyOf(options_.dedup_key, record.incident.event);
  const bool held = record.state != IncidentState::kQueued;
  record.since = now.wall;
  incidents_.Finish(record, status, reason);
  if (EndedAsRun(record)) {
    dedup_.OnRunEnded(key, id, record.incident.event.severity, now.mono);
  } else {
    dedup_.OnDropped(key, id);
  }
  effects.push_back(IncidentFinished{{id, record.attempt},
                                     cluster.name,
                                     record.executor_id,
                                     status,
                                     reason,
                                     held && record.started,
                                     record.outcome ? record.outcome->exit_code : std::nullopt});
  effects.push_back(ChangeOf(record));
}

// An incident cancelled before any agent started was not investigated.
bool Scheduler::EndedAsRun(const IncidentProgress& progress) {
  switch (*progress.status) {
    case FinalStatus::kSuccess:
    case FinalStatus::kFailure:
    case FinalStatus::kTimeout:
      return true;
    case FinalStatus::kCancelled:
      return progress.ever_started;
    case FinalStatus::kExpired:
    case FinalStatus::kEvicted:
      break;
  }
  return false;
}

// --- time ----------------------------------------------------------------------------------------

void Scheduler::OnTimer(const Instant& now, Effects& effects) {
  DetachSilent(now, effects);
  for (const LeaseTable::ExpiredLease& lost : leases_.ExpiredBy(now.mono)) {
    if (lost.ttl_expired) {
      ++clusters_[incidents_.Find(lost.lease.incident_id)->cluster].counters.leases_expired;
    } else {
      effects.push_back(
          ToExecutor{lost.stream, dispatch::Cancel{lost.lease, CancelReason::kAcceptTimeout}});
      const MonoTime offered_at = incidents_.Find(lost.lease.incident_id)->offered_at;
      leases_.SlowOffers(lost.stream, offered_at, now.mono);
    }
    OnLeaseLost(lost.lease,
                lost.ttl_expired ? RequeueReason::kLeaseExpired : RequeueReason::kAcceptTimeout,
                now, effects);
  }
  leases_.ForgetIdle(now.mono);
  run_limit_.Forget(now.mono);
  if (breaker_.OnTimer(now.mono)) ReportBreaker(effects);
  Dispatch(now, effects);
}

bool Scheduler::BeginSweep(const Instant& now) {
  if (!next_sweep_ || now.mono < *next_sweep_) return false;
  next_sweep_.reset();
  ArmSweep(now);
  return true;
}

bool Scheduler::ExpireNext(const Instant& now, Effects& effects) {
  if (const auto entry = waiting_.PopWaitingSince(now.mono - options_.max_queue_age)) {
    Expire(*entry, now, effects);
    return true;
  }
  if (waiting_.size() == 0) next_sweep_.reset();
  return false;
}

void Scheduler::ArmSweep(const Instant& now) {
  if (!next_sweep_) next_sweep_ = now.mono + options_.queue_sweep_interval;
}

std::optional<MonoTime> Scheduler::NextDeadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&](std::optional<MonoTime> deadline) {
    if (deadline && (!next || *deadline < *next)) next = deadline;
  };
  consider(next_sweep_);
  consider(leases_.NextDeadline());
  consider(breaker_.NextDeadline());
  if (waiting_.size() != 0) consider(run_limit_.NextDeadline());
  return next;
}

// --- drain ---------------------------------------------------------------------------------------

void Scheduler::BeginDrain(Effects& effects) {
  draining_ = true;
  for (const auto& [id, executor] : leases_.executors()) {
    if (executor.attached() && executor.sidecar)
      effects.push_back(ToExecutor{executor.stream, dispatch::Drain{}});
  }
}

void Scheduler::CancelRunning(Effects& effects) {
  cancelling_ = true;
  for (const auto& [id, held] : leases_.leases()) {
    const LeaseTable::Executor& executor = leases_.executors().at(held.executor_id);
    if (!executor.sidecar || !executor.attached()) continue;
    effects.push_back(
        ToExecutor{executor.stream, dispatch::Cancel{held.lease, CancelReason::kShutdown}});
  }
}

std::size_t Scheduler::SidecarLeases() const {
  std::size_t count = 0;
  for (const auto& [id, executor] : leases_.executors()) {
    if (executor.sidecar) count += executor.leases.size();
  }
  return count;
}

Duration Scheduler::LargestStopBudget() const {
  Duration largest{};
  for (const auto& [id, executor] : leases_.executors()) {
    if (executor.sidecar) largest = std::max(largest, executor.stop_budget);
  }
  return largest;
}

// --- operators -----------------------------------------------------------------------------------

Scheduler::Cancelled Scheduler::Cancel(const std::string& incident_id, const Instant& now,
                                       Effects& effects) {
  IncidentRecord* record = incidents_.Find(incident_id);
  if (record == nullptr) return Cancelled::kUnknown;
  if (record->state == IncidentState::kFinished) return Cancelled::kEndedBefore;
  if (record->state == IncidentState::kQueued) {
    waiting_.Take(record->cluster, record->place);
    ++clusters_[record->cluster].counters.evicted[EvictReason::kCancelled];
    Finish(*record, FinalStatus::kCancelled, kCancelled, now, effects);
    return Cancelled::kEnded;
  }
  record->cancel_requested = true;
  effects.push_back(ChangeOf(*record));
  const Lease lease{incident_id, record->attempt};
  const LeaseTable::Executor& executor = leases_.executors().at(record->executor_id);
  // A detached executor receives the Cancel after its next Hello.
  if (executor.attached())
    effects.push_back(
        ToExecutor{executor.stream, dispatch::Cancel{lease, CancelReason::kCancelled}});
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

  // A copy: Rejected may remove the earlier record.
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
  if (breaker_.Reset()) ReportBreaker(effects);
  Dispatch(now, effects);
}

// --- effects -------------------------------------------------------------------------------------

// The current progress of the record, for the journal.
Persist Scheduler::ChangeOf(const IncidentRecord& record) {
  const Incident& incident = record.incident;
  const IncidentProgress& progress = record;
  return {{incident.id, std::nullopt, progress, incident.occurrences, incident.event.severity,
           incident.last_seen}};
}

void Scheduler::ReportBreaker(Effects& effects) const {
  effects.push_back(BreakerChanged{breaker_.state(), breaker_.failures()});
}

}  // namespace runner::ingest
