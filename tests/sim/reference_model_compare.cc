// Compares the state of the scheduler with the state of the model.

#include <numeric>

#include "tests/sim/reference_model.h"

namespace runner::sim {
namespace {

using ingest::LeaseTable;

template <typename Key>
std::uint64_t Sum(const ingest::CountsBy<Key>& counters) {
  std::uint64_t sum = 0;
  for (const auto& [word, count] : counters) sum += count;
  return sum;
}

}  // namespace

void ReferenceModel::Compare(const ingest::Scheduler& scheduler) const {
  Expect(scheduler.cluster_count() == clusters_.size(), Invariant::kClusters,
         [] { return std::string("the number of clusters is wrong"); });
  if (scheduler.cluster_count() != clusters_.size()) return;
  for (std::size_t i = 0; i < clusters_.size(); ++i) CompareCluster(scheduler, i);
  CompareLeases(scheduler);
  CompareExecutors(scheduler);
  CompareBreaker(scheduler);
  CheckTimes();
  CheckWork();
}

void ReferenceModel::CompareCluster(const ingest::Scheduler& scheduler,
                                    ingest::ClusterIndex index) const {
  const ingest::Scheduler::ClusterView view = scheduler.View(index);
  const ingest::ClusterCounters& c = view.counters;
  const Cluster& own = clusters_[index];
  const std::uint64_t received = std::accumulate(c.received.begin(), c.received.end(), 0ull);
  const auto expect = [&](bool holds, const char* what) {
    Expect(holds, Invariant::kCounting, [&] { return view.name + ": " + what; });
  };
  expect(received == Sum(c.invalid) + Sum(c.filtered) + c.breaker_dropped + c.rejected + c.queued,
         "received is not the sum of the dispositions");
  expect(c.restored + c.queued + c.requeued == c.dequeued + c.expired + Sum(c.evicted) + view.depth,
         "additions to the queue are not removals plus depth");
  expect(c.restored + c.leases_restored + c.queued == Sum(c.finished) + view.depth + view.leased,
         "queued is not finished plus depth plus leased");
  expect(received == own.received + own.invalid && Sum(c.invalid) == own.invalid &&
             Sum(c.filtered) == own.filtered && c.breaker_dropped == own.dropped &&
             c.rejected == own.rejected,
         "the counters of the intake are wrong");
  expect(c.queued == own.queued && c.requeued == own.requeued && c.dequeued == own.dequeued &&
             c.expired == own.expired && Sum(c.evicted) == own.evicted &&
             c.restored == own.restored && c.leases_restored == own.leases_restored,
         "the counters of the queue are wrong");
  expect(Sum(c.finished) == own.finished, "finished is wrong");
  expect(view.depth == own.queue.size() && view.leased == own.leased, "depth or leased is wrong");
  const auto by_name = scheduler.ClusterOf(own.name);
  Expect(view.name == own.name && view.configured == own.configured &&
             (own.configured ? by_name == index : !by_name),
         Invariant::kClusters, [&] { return own.name + " has the wrong value of configured"; });
  Expect(view.leased <= options_.max_agents_per_cluster, Invariant::kLimits,
         [&] { return view.name + " exceeds max-agents-per-cluster"; });
}

void ReferenceModel::CompareLeases(const ingest::Scheduler& scheduler) const {
  const auto& leases = scheduler.leases().leases();
  Expect(leases.size() <= options_.max_concurrent_agents, Invariant::kLimits,
         [] { return std::string("max-concurrent-agents is exceeded"); });
  std::size_t held = 0;
  for (const auto& [id, incident] : open_) {
    const ingest::IncidentRecord* record = scheduler.incidents().Find(id);
    const bool queued = incident.state == State::kQueued;
    const bool offered = incident.state == State::kOffered;
    const auto expected = queued    ? ingest::IncidentState::kQueued
                          : offered ? ingest::IncidentState::kOffered
                                    : ingest::IncidentState::kRunning;
    Expect(record != nullptr && record->state == expected && record->attempt == incident.attempt &&
               record->cancel_requested == incident.cancelled,
           Invariant::kBooksAgree, [&] { return id + " is in another state"; });
    Expect(record == nullptr || (record->incident.event.severity == incident.severity &&
                                 record->incident.occurrences == incident.occurrences),
           Invariant::kDuplicates, [&] { return id + " lacks its duplicates"; });
    const auto lease = leases.find(id);
    Expect(queued == (lease == leases.end()), Invariant::kOneLease,
           [&] { return id + " must be either leased or queued"; });
    if (queued || lease == leases.end()) continue;
    ++held;
    const auto state =
        offered ? LeaseTable::LeaseState::kOffered : LeaseTable::LeaseState::kRunning;
    Expect(lease->second.lease == Lease{id, incident.attempt} &&
               lease->second.executor_id == incident.executor && lease->second.state == state,
           Invariant::kOneLease, [&] { return id + " has another current lease"; });
  }
  Expect(held == leases.size(), Invariant::kOneLease,
         [] { return std::string("a lease is held without an open incident"); });
}

void ReferenceModel::CompareExecutors(const ingest::Scheduler& scheduler) const {
  for (const auto& [id, executor] : scheduler.leases().executors()) {
    const auto found = executors_.find(id);
    const bool same = found != executors_.end() && executor.stream == found->second.stream &&
                      executor.leases.size() == found->second.leases &&
                      executor.slots == found->second.slots &&
                      (!executor.attached() || (executor.credits == found->second.credits &&
                                                executor.offers == found->second.offers &&
                                                executor.draining == found->second.draining));
    Expect(same, Invariant::kBooksAgree, [&] { return "executor " + id + " is in another state"; });
    // An executor that restarts with fewer slots may list more results than slots; it receives no
    // offer then.
    const bool fits =
        !executor.attached() || executor.leases.size() <= executor.slots ||
        (found != executors_.end() && executor.leases.size() <= found->second.brought);
    Expect(fits && executor.offers <= executor.credits, Invariant::kLimits,
           [&] { return id + " was offered more than its slots"; });
  }
}

void ReferenceModel::CompareBreaker(const ingest::Scheduler& scheduler) const {
  const ingest::CircuitBreaker& breaker = scheduler.breaker();
  Expect(breaker.state() == breaker_.state() && breaker.failures() == breaker_.failures(),
         Invariant::kBreaker, [&] {
           return "the breaker is " + std::string(ToString(breaker.state())) + ", but should be " +
                  std::string(ToString(breaker_.state()));
         });
  Expect(breaker_.state() != BreakerRule::State::kOpen || env_.Now() <= breaker_.until(),
         Invariant::kBreaker, [] { return std::string("the breaker stays open too long"); });
}

void ReferenceModel::CheckKeepAlives() const {
  for (const auto& [id, executor] : executors_) {
    Expect(executor.stream == ingest::kNoStream ||
               env_.Now() < executor.alive_at + options_.leases.lease_ttl,
           Invariant::kKeepAlive, [&] { return id + " must be detached as silent"; });
  }
}

void ReferenceModel::CheckTimes() const {
  for (const auto& [id, executor] : executors_) {
    Expect(executor.stream == ingest::kNoStream ||
               env_.Now() <= executor.alive_at + options_.leases.lease_ttl,
           Invariant::kKeepAlive, [&] { return id + " is attached without keep-alives"; });
  }
  for (const auto& [id, incident] : open_) {
    if (incident.state == State::kQueued) {
      Expect(Waited(incident) <= options_.max_queue_age + options_.queue_sweep_interval,
             Invariant::kQueueAge, [&] { return id + " should have expired"; });
      continue;
    }
    const Executor& executor = executors_.at(incident.executor);
    const bool attached = executor.stream != ingest::kNoStream;
    const bool accepted = incident.state == State::kRunning;
    const MonoTime limit = !attached  ? executor.detached_at + options_.leases.lease_ttl
                           : accepted ? MonoTime::max()
                                      : incident.since + options_.leases.accept_timeout;
    Expect(env_.Now() <= limit, Invariant::kLostInTime,
           [&] { return id + " is held beyond its deadline"; });
  }
}

void ReferenceModel::CheckWork() const {
  std::size_t leased = 0;
  std::size_t free = 0;
  for (const Cluster& cluster : clusters_) leased += cluster.leased;
  // An offer delay that ends now allows offers from the next instant.
  for (const auto& [id, executor] : executors_) free += executor.Free(env_.Now() - Duration(1));
  if (draining_ || free == 0 || leased >= options_.max_concurrent_agents) return;
  // The hourly limit admits a run by time, not by input: from the next instant.
  if (!breaker_.AdmitsLease() || !rate_.Admits(env_.Now() - Duration(1))) return;
  for (const Cluster& cluster : clusters_) {
    Expect(!Eligible(cluster), Invariant::kWorkConserving,
           [&] { return cluster.name + " has queued incidents while a slot is free"; });
  }
}

}  // namespace runner::sim
