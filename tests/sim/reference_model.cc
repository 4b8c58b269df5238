#include "tests/sim/reference_model.h"

#include <algorithm>
#include <utility>

namespace runner::sim {

using ingest::StreamId;

ReferenceModel::ReferenceModel(Environment& env, const RunModel& runs,
                               ingest::SchedulerOptions options)
    : env_(env),
      runs_(runs),
      options_(std::move(options)),
      dedup_(options_.dedup),
      breaker_(options_.breaker),
      rate_(options_.max_runs_per_hour) {
  for (const ingest::ClusterOptions& cluster : options_.clusters) {
    clusters_.emplace_back().name = cluster.name;
    filters_.emplace_back(cluster.filter);
  }
}

void ReferenceModel::Executor::Reject(MonoTime offered_at, MonoTime now) {
  if (offered_at <= delayed_at) return;
  delayed_at = now;
  // 1 s, 2 s, 4 s ... 32 s, 60 s.
  next_offer =
      now + std::min(std::chrono::seconds(1 << std::min(delays++, 6)), std::chrono::seconds(60));
}

std::size_t ReferenceModel::Executor::Free(MonoTime now) const {
  if (now < next_offer) return 0;
  if (stream == ingest::kNoStream || draining || offers >= credits || leases >= slots) return 0;
  return std::min<std::size_t>(credits - offers, slots - leases);
}

ReferenceModel::Executor* ReferenceModel::Of(StreamId stream) {
  const auto found = executor_of_.find(stream);
  return found == executor_of_.end() ? nullptr : &executors_.at(found->second);
}

ReferenceModel::Open* ReferenceModel::Held(const Lease& lease) {
  const auto found = open_.find(lease.incident_id);
  if (found == open_.end() || found->second.state == State::kQueued) return nullptr;
  return found->second.attempt == lease.attempt ? &found->second : nullptr;
}

bool ReferenceModel::IsCurrent(StreamId stream, const Lease& lease) const {
  const auto executor = executor_of_.find(stream);
  const Open* held = const_cast<ReferenceModel*>(this)->Held(lease);
  return executor != executor_of_.end() && held != nullptr && held->executor == executor->second;
}

bool ReferenceModel::Investigated(std::optional<ingest::FinalStatus> status, bool ever_started) {
  using enum ingest::FinalStatus;
  if (!status || status == kExpired || status == kEvicted) return false;
  return status != kCancelled || ever_started;
}

Duration ReferenceModel::Waited(const Open& incident) const {
  return incident.waited + (env_.Now() - incident.since);
}

std::vector<std::string> ReferenceModel::OpenIds() const {
  std::vector<std::string> ids;
  for (const auto& [id, incident] : open_) ids.push_back(id);
  return ids;
}

std::optional<ingest::FinalStatus> ReferenceModel::EndOf(const std::string& incident_id) const {
  const auto found = ended_.find(incident_id);
  return found == ended_.end() ? std::nullopt : std::optional(found->second.status);
}

void ReferenceModel::Remember(const std::string& id, Ended ended) {
  ended.place = ended_.size() + 1;
  ended_[id] = std::move(ended);
}

void ReferenceModel::Transit(const Open* from, std::string_view to) const {
  std::string_view state;
  if (from != nullptr) {
    state = from->state == State::kQueued    ? "queued"
            : from->state == State::kOffered ? "offered"
                                             : "running";
  }
  env_.transitions.Count("incident", state, to);
}

std::string_view ReferenceModel::LeaseState(const Open& incident) const {
  if (executors_.at(incident.executor).stream == ingest::kNoStream) return "suspended";
  return incident.state == State::kOffered ? "offered" : "running";
}

void ReferenceModel::Accept(Open& incident) {
  if (incident.state != State::kOffered) return;
  Transit(&incident, "running");
  TransitLease("offered", "running");
  incident.state = State::kRunning;
}

// --- inputs ---------------------------------------------------------------------------------

void ReferenceModel::OnRestore(const std::vector<ingest::RestoredIncident>& restored) {
  using ingest::IncidentState;
  std::vector<std::pair<MonoTime, const ingest::RestoredIncident*>> in_order;
  const auto then = [&](WallTime wall) {
    const Instant& now = env_.events.Now();
    return now.mono - std::max(WallTime::duration::zero(), now.wall - wall);
  };
  for (const ingest::RestoredIncident& one : restored) {
    const bool queued = one.progress.state == IncidentState::kQueued;
    in_order.emplace_back(then(one.progress.since) - (queued ? one.progress.waited : Duration{}),
                          &one);
  }
  std::sort(in_order.begin(), in_order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second->incident.id) < std::pair(b.first, b.second->incident.id);
  });
  for (const auto& [at, one] : in_order) {
    const auto& [incident, progress] = *one;
    const std::string key = KeyOf(options_.dedup_key, incident.event);
    const Severity severity = incident.event.severity;
    const auto cluster = static_cast<std::size_t>(
        std::find_if(clusters_.begin(), clusters_.end(),
                     [&](const Cluster& c) { return c.name == incident.event.cluster; }) -
        clusters_.begin());
    const bool finished = progress.state == IncidentState::kFinished;
    const bool leased = !finished && progress.state != IncidentState::kQueued;
    if (leased || progress.started) rate_.Begin(incident.id, then(progress.leased_at));
    const bool ran = Investigated(progress.status, progress.ever_started);
    if (!finished || ran) dedup_.Queued(key, incident.id, then(incident.event.received_at));
    if (finished) {
      if (ran) dedup_.Ended(key, incident.id, severity, true, then(progress.since));
      Remember(incident.id, {*progress.status, cluster, key, severity});
      continue;
    }
    Open open;
    open.cluster = cluster;
    open.key = key;
    open.severity = severity;
    open.occurrences = incident.occurrences;
    open.since = then(progress.since);
    open.waited = progress.waited;
    open.attempt = progress.attempt;
    open.executor = progress.executor_id;
    open.started = progress.started;
    open.ever_started = progress.ever_started;
    open.lost = progress.lost;
    open.interrupted = progress.interrupted;
    open.unstarted = progress.unstarted;
    open.cancelled = progress.cancel_requested;
    if (leased) {
      const bool offered = progress.state == IncidentState::kOffered;
      open.state = offered ? State::kOffered : State::kRunning;
      Executor& executor = executors_[progress.executor_id];
      executor.detached_at = env_.Now();
      ++executor.leases;
      ++clusters_[cluster].leased;
      ++clusters_[cluster].leases_restored;
      breaker_.Restored(incident.id);
      env_.transitions.Count("incident", "restored", offered ? "offered" : "running");
      TransitLease("restored", "suspended");
    } else {
      clusters_[cluster].queue.push_back(incident.id);
      ++clusters_[cluster].restored;
      env_.transitions.Count("incident", "restored", "queued");
    }
    open_.emplace(incident.id, open);
  }
}

void ReferenceModel::OnClusters(const std::vector<ingest::ClusterOptions>& clusters) {
  for (Cluster& known : clusters_) known.configured = false;
  for (const ingest::ClusterOptions& cluster : clusters) {
    const auto found = std::find_if(clusters_.begin(), clusters_.end(),
                                    [&](const Cluster& c) { return c.name == cluster.name; });
    if (found == clusters_.end()) {
      clusters_.emplace_back().name = cluster.name;
      filters_.emplace_back(cluster.filter);
    } else {
      found->configured = true;
      filters_[static_cast<std::size_t>(found - clusters_.begin())] =
          ingest::EventFilter(cluster.filter);
    }
  }
}

void ReferenceModel::BeginInput() {
  disposition_.reset();
  escalated_ = false;
  cancel_.clear();
  cancel_state_.reset();
  result_of_.reset();
  result_status_.reset();
  result_ran_ = result_lost_ = rejected_ = shortage_ = false;
  requeued_.clear();
  expected_decisions_.clear();
  expected_close_ = ingest::kNoStream;
  unlisted_.clear();
  evicted_ = false;
}

void ReferenceModel::OnHello(StreamId stream, const dispatch::Hello& hello) {
  Executor& executor = executors_[hello.executor_id];
  const bool was_away = executor.stream == ingest::kNoStream;
  if (executor.stream != ingest::kNoStream) {
    expected_close_ = executor.stream;
    executor_of_.erase(executor.stream);
  }
  executor.stream = stream;
  executor.alive_at = env_.Now();
  if (was_away && env_.Now() >= executor.detached_at + options_.leases.lease_ttl) {
    executor.delays = 0;
    executor.delayed_at = MonoTime::min();
    executor.next_offer = {};
  }
  executor.slots = hello.slots;
  executor.credits = executor.offers = 0;
  executor.draining = false;
  executor_of_[stream] = hello.executor_id;

  executor.brought = 0;
  std::set<Lease> listed;
  for (const auto* list : {&hello.running, &hello.results_waiting}) {
    for (const Lease& lease : *list) {
      const bool keep = IsCurrent(stream, lease);
      expected_decisions_.emplace_back(lease, keep);
      listed.insert(lease);
      if (!keep) continue;
      ++executor.brought;
      Open& kept = *Held(lease);
      if (was_away) {
        TransitLease("suspended", "running");
        if (kept.state == State::kOffered) Transit(&kept, "running");
        kept.state = State::kRunning;
      }
      Accept(kept);
    }
  }
  for (const auto& [id, incident] : open_) {
    const Lease lease{id, incident.attempt};
    if (IsCurrent(stream, lease) && !listed.contains(lease)) unlisted_.push_back(lease);
  }
}

std::optional<MonoTime> ReferenceModel::ReceivedOn(StreamId stream) const {
  const auto found = executor_of_.find(stream);
  if (found == executor_of_.end()) return std::nullopt;
  return executors_.at(found->second).alive_at;
}

void ReferenceModel::OnMessage(StreamId stream, const UpMessage& message) {
  Executor* executor = Of(stream);
  if (executor == nullptr) return;
  if (const auto* credits = std::get_if<dispatch::Credits>(&message)) {
    executor->credits = std::max(executor->credits, credits->total);
  } else if (std::holds_alternative<dispatch::Draining>(message)) {
    executor->draining = true;
  } else if (std::holds_alternative<dispatch::KeepAlive>(message)) {
    executor->alive_at = env_.Now();
  }
  const Lease* lease = LeaseOf(message);
  if (lease == nullptr || !IsCurrent(stream, *lease)) return;
  Open& held = *Held(*lease);
  rejected_ = std::holds_alternative<dispatch::Rejected>(message);
  if (rejected_ && held.state == State::kOffered) executor->Reject(held.since, env_.Now());
  if (std::holds_alternative<dispatch::Accepted>(message)) Accept(held);
  if (std::holds_alternative<dispatch::Started>(message)) {
    Accept(held);
    if (!held.started) executor->delays = 0;
    held.started = held.ever_started = true;
  } else if (const auto* result = std::get_if<dispatch::Result>(&message)) {
    result_of_ = result->lease;
    result_status_ = result->outcome.status;
    result_lost_ = result->outcome.reason == kExecutorLost;
    result_ran_ = result->outcome.started || *result_status_ <= RunStatus::kTimeout;
    shortage_ = *result_status_ == RunStatus::kInterrupted && result->outcome.reason == kShortage &&
                !held.started && !result_ran_;
    if (shortage_) executor->Reject(held.since, env_.Now());
    Accept(held);  // a lease with a result was accepted
    breaker_.Ended(result->lease.incident_id, result->outcome.status, env_.Now());
    if (!rogues_.contains(held.executor)) {
      Expect(runs_.StatusOf(*lease) == result->outcome.status, Invariant::kOneTerminalStatus,
             [&] { return TextOf(message) + " is not the result of the run"; });
    }
  }
}

void ReferenceModel::BeforeCancel(const std::string& incident_id) {
  const auto found = open_.find(incident_id);
  if (found == open_.end()) return;
  cancel_ = incident_id;
  cancel_state_ = found->second.state;
  found->second.cancelled = true;
}

void ReferenceModel::OnCancel(ingest::Scheduler::Cancelled answer) const {
  using Cancelled = ingest::Scheduler::Cancelled;
  // A finished incident may have been removed.
  const bool right = !cancel_state_
                         ? answer == Cancelled::kEndedBefore || answer == Cancelled::kUnknown
                     : *cancel_state_ == State::kQueued ? answer == Cancelled::kEnded
                                                        : answer == Cancelled::kStopping;
  Expect(right, Invariant::kOneTerminalStatus,
         [&] { return cancel_ + " is cancelled with the wrong response"; });
}

void ReferenceModel::OnClosed(StreamId stream) {
  Executor* executor = Of(stream);
  if (executor == nullptr) return;
  for (const auto& [id, incident] : open_) {
    if (!IsCurrent(stream, {id, incident.attempt})) continue;
    TransitLease(incident.state == State::kOffered ? "offered" : "running", "suspended");
  }
  executor->stream = ingest::kNoStream;
  executor->detached_at = env_.Now();
  executor_of_.erase(stream);
}

}  // namespace runner::sim
