#include "ingest/core/scheduler.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace runner::ingest {

std::string_view ToString(OverflowPolicy policy) {
  return policy == OverflowPolicy::kDropOldest ? "drop-oldest" : "reject-newest";
}

Scheduler::Scheduler(SchedulerOptions options, NewId new_id)
    : options_(std::move(options)),
      filter_(options_.severity_threshold),
      new_id_(std::move(new_id)),
      incidents_(options_.history_count, options_.history_bytes),
      leases_(options_.leases) {
  for (const std::string& name : options_.clusters) {
    if (!cluster_by_name_.emplace(name, clusters_.size()).second) {
      throw std::invalid_argument("cluster configured twice: " + name);
    }
    clusters_.emplace_back().name = name;
  }
}

// --- events ---------------------------------------------------------------------------------

Scheduler::Admission Scheduler::OnEvent(ClusterIndex index, FaultEvent event, const Instant& now,
                                        Effects& effects) {
  Cluster& cluster = clusters_.at(index);
  event.cluster = cluster.name;
  ++cluster.counters.received[static_cast<std::size_t>(event.severity)];
  Incident incident{.id = new_id_(now.wall), .event = std::move(event)};
  const std::string event_id = EventId(incident);
  effects.push_back(EventReceived{event_id, incident.event});

  if (const auto reason = filter_.Rejects(incident.event)) {
    ++cluster.counters.filtered[std::string(*reason)];
    effects.push_back(EventFiltered{event_id, incident.event, std::string(*reason)});
    return {Admission::Result::kFiltered, std::string(*reason), {}};
  }
  if (!MakeRoom(cluster, event_id, effects)) {
    ++cluster.counters.rejected;
    return {Admission::Result::kRejected, "overflow", {}};
  }

  IncidentRecord accepted;
  accepted.incident = std::move(incident);
  accepted.cluster = index;
  accepted.received_mono = now.mono;
  IncidentRecord& record = incidents_.Add(std::move(accepted));
  cluster.queue.PushBack({record.incident.id, now.mono});
  ++cluster.counters.queued;
  effects.push_back(EventQueued{record.incident, cluster.queue.size()});
  if (!next_sweep_) next_sweep_ = now.mono + options_.queue_sweep_interval;
  const std::string incident_id = record.incident.id;
  TakeTurn(index);
  Dispatch(now, effects);
  return {Admission::Result::kQueued, {}, incident_id};
}

void Scheduler::OnInvalidEvent(ClusterIndex index, const std::string& reason,
                               std::optional<Severity> severity) {
  ClusterCounters& counters = clusters_.at(index).counters;
  ++counters.received[severity ? static_cast<std::size_t>(*severity) : kUnknownSeverity];
  ++counters.invalid[reason];
}

bool Scheduler::MakeRoom(Cluster& cluster, const std::string& newcomer, Effects& effects) {
  if (cluster.queue.size() < options_.cluster_queue_size) return true;
  const std::size_t depth = cluster.queue.size();
  if (options_.overflow_policy == OverflowPolicy::kRejectNewest || cluster.queue.empty()) {
    effects.push_back(QueueOverflowed{newcomer, cluster.name, depth});
    return false;
  }
  // One is enough: a requeue may exceed the bound, but it does not raise it.
  IncidentRecord& victim = *incidents_.Find(cluster.queue.PopOldest()->incident_id);
  ++cluster.counters.evicted;
  effects.push_back(QueueOverflowed{EventId(victim.incident), cluster.name, depth});
  Finish(victim, "evicted", "overflow", effects);
  return true;
}

// --- executors ------------------------------------------------------------------------------

void Scheduler::OnHello(StreamId stream, const HelloInfo& hello, const Instant& now,
                        Effects& effects) {
  const LeaseBook::Attached attached = leases_.Attach(stream, hello);
  if (attached.superseded != kNoStream) effects.push_back(CloseSuperseded{attached.superseded});
  SendWelcome welcome{stream, {}};
  for (const Lease& lease : attached.kept) {
    incidents_.Find(lease.incident_id)->state = IncidentState::kRunning;
    welcome.decisions.push_back({lease, true});
  }
  for (const Lease& lease : attached.dropped) welcome.decisions.push_back({lease, false});
  effects.push_back(std::move(welcome));
  for (const Lease& lease : attached.lost) Lost(lease, "lost", now, effects);
  if (draining_ && hello.sidecar) effects.push_back(SendDrain{stream});
  if (cancel_reason_ && hello.sidecar) {
    for (const Lease& lease : attached.kept) {
      effects.push_back(SendCancel{stream, lease, *cancel_reason_});
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
  LeaseBook::HeldLease* held = leases_.Current(stream, lease);
  if (held == nullptr) {
    effects.push_back(SendCancel{stream, lease, "stale"});
    return;
  }
  held->state = LeaseBook::LeaseState::kRunning;
  incidents_.Find(lease.incident_id)->state = IncidentState::kRunning;
}

void Scheduler::OnRejected(StreamId stream, const Lease& lease, const std::string& reason,
                           const Instant& now, Effects& effects) {
  // What was already accepted cannot be rejected any more; a stale rejection changes nothing.
  const LeaseBook::HeldLease* held = leases_.Current(stream, lease);
  if (held == nullptr || held->state != LeaseBook::LeaseState::kOffered) return;
  Lost(lease, "rejected: " + reason, now, effects);
  Dispatch(now, effects);
}

void Scheduler::OnStarted(StreamId stream, const Lease& lease, const Instant& now,
                          Effects& effects) {
  OnAccepted(stream, lease, effects);
  if (leases_.Current(stream, lease) == nullptr) return;
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  record.started = true;
  if (std::exchange(record.ever_started, true)) return;
  counters_.dispatch_latency.Observe(ToSeconds(now.mono - record.received_mono));
}

void Scheduler::OnResult(StreamId stream, const Lease& lease, const Outcome& outcome,
                         const Instant& now, Effects& effects) {
  if (leases_.Current(stream, lease) == nullptr) {
    const IncidentRecord* record = incidents_.Find(lease.incident_id);
    const bool recorded = record != nullptr && record->state == IncidentState::kFinished &&
                          record->attempt == lease.attempt && record->outcome;
    if (recorded) {
      effects.push_back(SendRecorded{stream, lease});
    } else {
      effects.push_back(SendCancel{stream, lease, "stale"});
    }
    return;
  }
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  EndLease(record);
  record.outcome = outcome;
  effects.push_back(SendRecorded{stream, lease});
  if (outcome.status != RunStatus::kInterrupted) {
    Finish(record, std::string(ToString(outcome.status)), outcome.reason, effects);
  } else if (++record.interrupted >= options_.max_interruptions) {
    Finish(record, "failure", "attempts_exhausted", effects);
  } else {
    Requeue(record, "interrupted", now, effects);
  }
  Dispatch(now, effects);
}

void Scheduler::OnBeat(StreamId stream, std::uint64_t seq, Effects& effects) {
  if (leases_.OfStream(stream) != nullptr) effects.push_back(SendBeatAck{stream, seq});
}

void Scheduler::OnExecutorDraining(StreamId stream) { leases_.SetDraining(stream); }

void Scheduler::OnStreamClosed(StreamId stream, const Instant& now, Effects& effects) {
  leases_.Detach(stream, now.mono);
  leases_.ForgetIdle();
  Dispatch(now, effects);
}

// --- time -----------------------------------------------------------------------------------

void Scheduler::OnTimer(const Instant& now, Effects& effects) {
  for (const LeaseBook::Lost& lost : leases_.LostBy(now.mono)) {
    if (lost.ttl_expired) {
      ++clusters_[incidents_.Find(lost.lease.incident_id)->cluster].counters.leases_expired;
    } else {
      effects.push_back(SendCancel{lost.stream, lost.lease, "accept_timeout"});
    }
    Lost(lost.lease, lost.ttl_expired ? "lease_expired" : "accept_timeout", now, effects);
  }
  leases_.ForgetIdle();

  if (next_sweep_ && *next_sweep_ <= now.mono) {
    bool waiting = false;
    for (Cluster& cluster : clusters_) {
      for (const auto& entry : cluster.queue.TakeWaitingSince(now.mono - options_.max_queue_age)) {
        Expire(entry, now, effects);
      }
      waiting = waiting || !cluster.queue.empty();
    }
    next_sweep_.reset();
    if (waiting) next_sweep_ = now.mono + options_.queue_sweep_interval;
  }
  Dispatch(now, effects);
}

std::optional<MonoTime> Scheduler::NextDeadline() const {
  const std::optional<MonoTime> lease = leases_.NextDeadline();
  if (!lease) return next_sweep_;
  if (!next_sweep_) return lease;
  return std::min(*lease, *next_sweep_);
}

// --- drain ----------------------------------------------------------------------------------

void Scheduler::BeginDrain(Effects& effects) {
  draining_ = true;
  for (const auto& [id, executor] : leases_.executors()) {
    if (executor.attached() && executor.sidecar) effects.push_back(SendDrain{executor.stream});
  }
}

void Scheduler::CancelRunning(const std::string& reason, Effects& effects) {
  cancel_reason_ = reason;
  for (const auto& [id, held] : leases_.leases()) {
    const LeaseBook::Executor& executor = leases_.executors().at(held.executor_id);
    if (!executor.sidecar || !executor.attached()) continue;
    effects.push_back(SendCancel{executor.stream, held.lease, reason});
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

// --- views ----------------------------------------------------------------------------------

std::optional<ClusterIndex> Scheduler::ClusterOf(std::string_view name) const {
  const auto found = cluster_by_name_.find(std::string(name));
  if (found == cluster_by_name_.end()) return std::nullopt;
  return found->second;
}

Scheduler::ClusterView Scheduler::View(ClusterIndex index) const {
  const Cluster& cluster = clusters_.at(index);
  std::optional<WallTime> oldest;
  if (const ClusterQueue::Entry* entry = cluster.queue.Oldest()) {
    oldest = incidents_.Find(entry->incident_id)->incident.event.received_at;
  }
  return {cluster.name, cluster.counters, cluster.queue.size(), cluster.leased, oldest};
}

// --- the ways of an incident ----------------------------------------------------------------

void Scheduler::Lost(const Lease& lease, const std::string& reason, const Instant& now,
                     Effects& effects) {
  IncidentRecord& record = *incidents_.Find(lease.incident_id);
  EndLease(record);
  if (record.started && ++record.lost >= options_.max_attempts) {
    Finish(record, "failure", "attempts_exhausted", effects);
  } else {
    Requeue(record, reason, now, effects);
  }
}

void Scheduler::EndLease(IncidentRecord& record) {
  leases_.Release(record.incident.id);
  --clusters_[record.cluster].leased;
  TakeTurn(record.cluster);
}

void Scheduler::Requeue(IncidentRecord& record, const std::string& reason, const Instant& now,
                        Effects& effects) {
  Cluster& cluster = clusters_[record.cluster];
  record.state = IncidentState::kQueued;
  record.started = false;
  cluster.queue.PushFront({record.incident.id, now.mono - record.waited});
  ++cluster.counters.requeued;
  if (!next_sweep_) next_sweep_ = now.mono + options_.queue_sweep_interval;
  effects.push_back(IncidentRequeued{
      {record.incident.id, record.attempt}, cluster.name, record.executor_id, reason});
  TakeTurn(record.cluster);
}

void Scheduler::Finish(IncidentRecord& record, const std::string& status, const std::string& reason,
                       Effects& effects) {
  Cluster& cluster = clusters_[record.cluster];
  ++cluster.counters.finished[status];
  effects.push_back(IncidentFinished{
      {record.incident.id, record.attempt}, cluster.name, record.executor_id, status, reason});
  incidents_.Finish(record, status, reason);
}

void Scheduler::Expire(const ClusterQueue::Entry& entry, const Instant& now, Effects& effects) {
  IncidentRecord& record = *incidents_.Find(entry.incident_id);
  ++clusters_[record.cluster].counters.expired;
  effects.push_back(EventExpired{record.incident, now.mono - entry.waiting_since});
  Finish(record, "expired", "max_queue_age", effects);
}

// --- whose turn it is -----------------------------------------------------------------------

bool Scheduler::Eligible(const Cluster& cluster) const {
  return !cluster.queue.empty() && cluster.leased < options_.max_agents_per_cluster;
}

void Scheduler::TakeTurn(ClusterIndex index) {
  Cluster& cluster = clusters_[index];
  if (cluster.in_turn || !Eligible(cluster)) return;
  cluster.in_turn = true;
  turns_.push_back(index);
}

void Scheduler::Dispatch(const Instant& now, Effects& effects) {
  if (draining_) return;
  while (!turns_.empty() && leases_.leases().size() < options_.max_concurrent_agents &&
         leases_.MostFree() != nullptr) {
    const ClusterIndex index = turns_.front();
    turns_.pop_front();
    clusters_[index].in_turn = false;
    if (Eligible(clusters_[index])) LeaseNext(index, now, effects);
    TakeTurn(index);
  }
}

void Scheduler::LeaseNext(ClusterIndex index, const Instant& now, Effects& effects) {
  Cluster& cluster = clusters_[index];
  const ClusterQueue::Entry entry = *cluster.queue.PopFront();
  // Between two sweeps an over-age incident may still stand in the queue: it is never leased.
  if (now.mono - entry.waiting_since >= options_.max_queue_age) {
    Expire(entry, now, effects);
    return;
  }
  IncidentRecord& record = *incidents_.Find(entry.incident_id);
  const LeaseBook::Executor& executor = *leases_.MostFree();
  const Lease lease{record.incident.id, ++record.attempt};
  record.waited = now.mono - entry.waiting_since;
  record.state = IncidentState::kOffered;
  record.outcome.reset();  // of an attempt before
  record.executor_id = executor.id;
  leases_.Offer(executor, lease, now.mono);
  ++cluster.leased;
  ++cluster.counters.dequeued;
  effects.push_back(SendOffer{executor.stream, lease, record.incident});
  effects.push_back(IncidentLeased{lease, cluster.name, executor.id});
}

}  // namespace runner::ingest
