// Checks the decisions of the scheduler against the rules.

#include <algorithm>
#include <utility>

#include "tests/sim/reference_model.h"

namespace runner::sim {

void ReferenceModel::OnEffects(const ingest::Effects& effects) {
  for (const ingest::Effect& effect : effects) {
    if (env_.findings.first()) return;
    std::visit([this](const auto& one) { Decided(one); }, effect);
    ForgetTurns();
  }
  Expect(expected_decisions_.empty() && expected_close_ == ingest::kNoStream,
         Invariant::kHelloSettles, [] { return std::string("Hello received no Welcome"); });
  for (const Lease& lease : unlisted_) {
    Expect(Held(lease) == nullptr, Invariant::kHelloSettles,
           [&] { return TextOf(lease) + " was not listed but is still held"; });
  }
  Expect(!disposition_ || disposition_->escalates.empty() == !escalated_, Invariant::kEscalation,
         [] { return std::string("an escalation is not reported"); });
  Expect(!result_of_, Invariant::kOneTerminalStatus,
         [&] { return TextOf(*result_of_) + ": its Result was not acknowledged"; });
}

void ReferenceModel::Decided(const ingest::ToExecutor& to) {
  stream_ = to.stream;
  std::visit([this](const auto& message) { Decided(message); }, to.message);
}

void ReferenceModel::Decided(const ingest::Fact& fact) {
  std::visit([this](const auto& one) { Decided(one); }, fact);
}

void ReferenceModel::Decided(const ingest::CloseSuperseded& close) {
  Expect(close.stream == expected_close_, Invariant::kHelloSettles,
         [&] { return "stream " + std::to_string(close.stream) + " is closed as superseded"; });
  expected_close_ = ingest::kNoStream;
}

void ReferenceModel::Decided(const ingest::CancelSilent& cancel) {
  const Executor* executor = Of(cancel.stream);
  Expect(executor != nullptr && env_.Now() - executor->alive_at >= options_.leases.lease_ttl,
         Invariant::kKeepAlive,
         [&] { return "stream " + std::to_string(cancel.stream) + " is cancelled too early"; });
  env_.transitions.Count("link", "attached", "detached", "silent");
  OnClosed(cancel.stream);
}

void ReferenceModel::Decided(const dispatch::Welcome& welcome) {
  std::vector<std::pair<Lease, bool>> decisions;
  decisions.reserve(welcome.decisions.size());
  for (const auto& [lease, keep] : welcome.decisions) decisions.emplace_back(lease, keep);
  const bool same = std::is_permutation(decisions.begin(), decisions.end(),
                                        expected_decisions_.begin(), expected_decisions_.end());
  Expect(same, Invariant::kHelloSettles, [&] { return TextOf(DownMessage(welcome)); });
  expected_decisions_.clear();
}

const std::string& ReferenceModel::Next(const Cluster& cluster) const {
  const auto critical = std::find_if(cluster.queue.begin(), cluster.queue.end(),
                                     [this](const auto& id) { return Critical(open_.at(id)); });
  return critical == cluster.queue.end() ? cluster.queue.front() : *critical;
}

bool ReferenceModel::Eligible(const Cluster& cluster) const {
  return !cluster.queue.empty() && cluster.leased < options_.max_agents_per_cluster;
}

// While a cluster is eligible, each other cluster gets at most one turn before it.
void ReferenceModel::CountTurns(ingest::ClusterIndex offered) {
  for (Cluster& cluster : clusters_) {
    if (&cluster == &clusters_[offered]) continue;
    if (!Eligible(cluster)) continue;
    Expect(++cluster.passed_over[offered] <= 1, Invariant::kFair,
           [&] { return cluster.name + " was passed over twice by " + clusters_[offered].name; });
  }
  clusters_[offered].passed_over.clear();
}

void ReferenceModel::Decided(const dispatch::Offer& offer) {
  const auto found = open_.find(offer.lease.incident_id);
  Expect(found != open_.end() && found->second.state == State::kQueued, Invariant::kOneLease,
         [&] { return TextOf(offer.lease) + " is offered, but not queued"; });
  if (env_.findings.first()) return;
  Open& incident = found->second;
  CheckOffer(offer, incident);
  offered_.insert(offer.lease);
  Executor* executor = Of(stream_);
  if (env_.findings.first() || executor == nullptr) return;
  Transit(&incident, "offered");
  TransitLease("", "offered");
  CountTurns(incident.cluster);
  Cluster& cluster = clusters_[incident.cluster];
  incident.waited = Waited(incident);
  incident.state = State::kOffered;
  incident.since = env_.Now();
  incident.attempt = offer.lease.attempt;
  incident.executor = executor_of_.at(stream_);
  incident.started = false;
  std::erase(cluster.queue, offer.lease.incident_id);
  ++cluster.dequeued;
  ++cluster.leased;
  ++executor->offers;
  ++executor->leases;
  breaker_.Leased(offer.lease.incident_id, env_.Now());
  rate_.Begin(offer.lease.incident_id, env_.Now());
}

// A cluster that is not eligible has no turn to lose.
void ReferenceModel::ForgetTurns() {
  for (Cluster& cluster : clusters_) {
    if (!Eligible(cluster)) cluster.passed_over.clear();
  }
}

void ReferenceModel::CheckOffer(const dispatch::Offer& offer, const Open& incident) const {
  const auto text = [&] { return TextOf(DownMessage(offer)); };
  const Cluster& cluster = clusters_[incident.cluster];
  Expect(offer.lease.attempt > incident.attempt && !offered_.contains(offer.lease),
         Invariant::kOneLease, [&] { return text() + " was offered before"; });
  Expect(Next(cluster) == offer.lease.incident_id, Invariant::kQueueOrder,
         [&] { return text() + " before " + Next(cluster); });
  Expect(Waited(incident) < options_.max_queue_age, Invariant::kQueueAge, text);
  Expect(!draining_, Invariant::kNothingAfterDraining, text);
  Expect(breaker_.AdmitsLease(), Invariant::kBreaker, text);
  Expect(rate_.Admits(env_.Now()), Invariant::kLimits,
         [&] { return text() + " beyond max-runs-per-hour"; });
  CheckLimits(offer, cluster);
}

void ReferenceModel::CheckLimits(const dispatch::Offer& offer, const Cluster& cluster) const {
  const auto text = [&] { return TextOf(DownMessage(offer)); };
  const Executor* executor = const_cast<ReferenceModel*>(this)->Of(stream_);
  Expect(executor != nullptr, Invariant::kLimits, [&] { return text() + " on no stream"; });
  if (executor == nullptr) return;
  Expect(!executor->draining, Invariant::kNothingAfterDraining, text);
  Expect(executor->next_offer <= env_.Now(), Invariant::kOffersDelayed, text);
  Expect(executor->Free(env_.Now()) > 0 || executor->draining, Invariant::kLimits,
         [&] { return text() + " without a credit or a slot"; });
  std::size_t leased = 0;
  for (const Cluster& one : clusters_) leased += one.leased;
  Expect(leased < options_.max_concurrent_agents, Invariant::kLimits,
         [&] { return text() + " beyond max-concurrent-agents"; });
  Expect(cluster.leased < options_.max_agents_per_cluster, Invariant::kLimits,
         [&] { return text() + " beyond max-agents-per-cluster"; });
  for (const auto& [id, other] : executors_) {
    Expect(other.Free(env_.Now()) <= executor->Free(env_.Now()), Invariant::kLimits,
           [&] { return text() + ": " + id + " has more free slots"; });
  }
}

void ReferenceModel::Decided(const ingest::IncidentLeased& leased) {
  Expect(Held(leased.lease) != nullptr, Invariant::kOneLease,
         [&] { return TextOf(leased.lease) + " is leased, but not offered"; });
}

void ReferenceModel::Decided(const dispatch::ResultAck& recorded) {
  const bool current = result_of_ == recorded.lease;
  Expect(current || ended_.contains(recorded.lease.incident_id), Invariant::kStaleChangesNothing,
         [&] { return TextOf(recorded.lease) + " is acknowledged, but its result is stale"; });
}

void ReferenceModel::Decided(const dispatch::Cancel& cancel) {
  if (cancel.reason != dispatch::CancelReason::kAcceptTimeout) return;
  const Open* incident = Held(cancel.lease);
  Executor* executor = Of(stream_);
  const bool late = incident != nullptr && executor != nullptr &&
                    incident->state == State::kOffered &&
                    env_.Now() >= incident->since + options_.leases.accept_timeout;
  Expect(late, Invariant::kLostInTime,
         [&] { return TextOf(cancel.lease) + " is taken back too early"; });
  if (late) executor->Reject(incident->since, env_.Now());
}

bool ReferenceModel::CountRelease(Open& incident) const {
  if (rejected_ || shortage_) return false;
  if (!incident.started && !result_ran_) return ++incident.unstarted >= options_.max_unstarted;
  if (result_of_ && !result_lost_) return ++incident.interrupted >= options_.max_interruptions;
  return ++incident.lost >= options_.max_attempts;
}

void ReferenceModel::Release(const std::string& id, Open& incident, std::string_view how) {
  TransitLease(LeaseState(incident), how);
  incident.started = incident.started || result_ran_;
  incident.ever_started = incident.ever_started || incident.started;
  if (incident.started) {
    incident.unstarted = 0;
  } else {
    rate_.Withdraw(id);
  }
  --clusters_[incident.cluster].leased;
  --executors_.at(incident.executor).leases;
  result_of_.reset();
}

void ReferenceModel::Decided(const ingest::BreakerChanged& changed) {
  using Breaker = BreakerRule::State;
  if (changed.state == Breaker::kHalfOpen) {
    Expect(breaker_.state() == Breaker::kOpen && env_.Now() >= breaker_.until(),
           Invariant::kBreaker,
           [] { return std::string("half-open before the cooldown is over"); });
    breaker_.HalfOpen();
  }
  env_.transitions.Count("breaker", breaker_before_, ToString(changed.state));
  breaker_before_ = ToString(changed.state);
}

void ReferenceModel::Decided(const ingest::IncidentRequeued& requeued) {
  Open* incident = Held(requeued.lease);
  Expect(incident != nullptr, Invariant::kOneLease,
         [&] { return TextOf(requeued.lease) + " is requeued, but not held"; });
  if (incident == nullptr) return;
  Expect(!result_status_ || *result_status_ == RunStatus::kInterrupted,
         Invariant::kOneTerminalStatus,
         [&] { return TextOf(requeued.lease) + " has ended, but is requeued"; });
  Expect(!incident->cancelled, Invariant::kOneTerminalStatus,
         [&] { return TextOf(requeued.lease) + " was cancelled, but is requeued"; });
  Expect(!CountRelease(*incident), Invariant::kAttemptsBounded,
         [&] { return TextOf(requeued.lease) + " is requeued beyond its attempts"; });
  Transit(incident, "queued");
  if (!result_of_) breaker_.Ended(requeued.lease.incident_id, std::nullopt, env_.Now());
  Release(requeued.lease.incident_id, *incident, result_of_ ? "ended" : "lost");
  incident->state = State::kQueued;
  incident->since = env_.Now();
  Cluster& cluster = clusters_[incident->cluster];
  std::string& before = requeued_[incident->cluster];
  Expect(before.empty() || requeued.lease.incident_id < before, Invariant::kQueueOrder,
         [&] { return TextOf(requeued.lease) + " is queued before " + before; });
  before = requeued.lease.incident_id;
  cluster.queue.push_front(requeued.lease.incident_id);
  ++cluster.requeued;
}

void ReferenceModel::Decided(const ingest::IncidentFinished& finished) {
  const std::string& id = finished.lease.incident_id;
  const auto found = open_.find(id);
  Expect(found != open_.end(), Invariant::kOneTerminalStatus, [&] {
    return id + " ends as " + std::string(ToString(finished.status)) + ", but is not open";
  });
  if (found == open_.end()) return;
  Open& incident = found->second;
  Cluster& cluster = clusters_[incident.cluster];
  Transit(&incident, finished.reason == "attempts_exhausted" ? "attempts exhausted"
                                                             : ToString(finished.status));
  if (incident.state == State::kQueued) {
    EndQueued(id, incident, finished);
    std::erase(cluster.queue, id);
  } else {
    Expect(incident.attempt == finished.lease.attempt, Invariant::kOneLease,
           [&] { return TextOf(finished.lease) + " ends, but is not current"; });
    EndHeld(incident, finished);
    if (!result_of_) breaker_.Ended(id, std::nullopt, env_.Now());
    Release(id, incident, result_of_ ? "ended" : "lost");
  }
  dedup_.Ended(incident.key, id, incident.severity,
               Investigated(finished.status, incident.ever_started), env_.Now());
  ++cluster.finished;
  Remember(id, {finished.status, incident.cluster, incident.key, incident.severity});
  open_.erase(found);
}

void ReferenceModel::EndQueued(const std::string& id, const Open& incident,
                               const ingest::IncidentFinished& finished) {
  Cluster& cluster = clusters_[incident.cluster];
  if (finished.status == ingest::FinalStatus::kExpired) {
    ++cluster.expired;
    Expect(Waited(incident) >= options_.max_queue_age, Invariant::kQueueAge,
           [&] { return id + " expires too early"; });
    return;
  }
  ++cluster.evicted;
  if (finished.status == ingest::FinalStatus::kCancelled) {
    Expect(cancel_ == id, Invariant::kOneTerminalStatus,
           [&] { return id + " is cancelled without a request"; });
    return;
  }
  evicted_ = true;
  CheckVictim(id, incident);
}

void ReferenceModel::EndHeld(const Open& held, const ingest::IncidentFinished& finished) {
  Open incident = held;
  const bool no_end = !result_status_ || *result_status_ == RunStatus::kInterrupted;
  if (incident.cancelled && no_end) {
    Expect(finished.status == ingest::FinalStatus::kCancelled, Invariant::kOneTerminalStatus,
           [&] { return TextOf(finished.lease) + " was cancelled, but ends otherwise"; });
    return;
  }
  if (finished.reason == "attempts_exhausted") {
    Expect(finished.status == ingest::FinalStatus::kFailure && CountRelease(incident),
           Invariant::kAttemptsBounded,
           [&] { return TextOf(finished.lease) + " is given up too early"; });
    return;
  }
  Expect(result_status_ && result_of_ == finished.lease &&
             *result_status_ != RunStatus::kInterrupted &&
             ingest::FinalStatusOf(*result_status_) == finished.status,
         Invariant::kOneTerminalStatus, [&] {
           return TextOf(finished.lease) + " ends as " + std::string(ToString(finished.status)) +
                  ": no such Result";
         });
}

}  // namespace runner::sim
