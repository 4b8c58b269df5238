#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "ingest/core/circuit_breaker.h"
#include "ingest/core/counters.h"
#include "ingest/core/dedup_window.h"
#include "ingest/core/effects.h"
#include "ingest/core/event_filter.h"
#include "ingest/core/hourly_run_limit.h"
#include "ingest/core/incident_journal.h"
#include "ingest/core/incident_queues.h"
#include "ingest/core/incident_table.h"
#include "ingest/core/lease_table.h"

namespace runner::ingest {

enum class OverflowPolicy { kDropOldest, kRejectNewest };
enum class BreakerPolicy { kDrop, kHold };

std::string_view ToString(OverflowPolicy policy);
std::string_view ToString(BreakerPolicy policy);

struct ClusterOptions {
  std::string name;
  FilterRules filter;
};

struct SchedulerOptions {
  std::vector<ClusterOptions> clusters;  // unique names; SetClusters may replace them
  // Limit of cluster names, removed ones included: their counters stay.
  std::size_t max_clusters = 40'000;
  DedupKey dedup_key = DedupKey::kResource;
  DedupWindow::Options dedup;
  CircuitBreaker::Options breaker;
  BreakerPolicy breaker_policy = BreakerPolicy::kDrop;  // for events that arrive while it is open
  Duration max_queue_age = std::chrono::minutes(10);
  Duration queue_sweep_interval = std::chrono::minutes(1);
  std::size_t cluster_queue_size = 100;
  std::size_t global_queue_size = 1000;
  OverflowPolicy overflow_policy = OverflowPolicy::kDropOldest;
  std::size_t max_concurrent_agents = 5;
  std::size_t max_agents_per_cluster = 1;
  std::size_t max_runs_per_hour = 0;     // 0: unlimited
  std::uint32_t max_attempts = 3;        // leases lost after their agent had started
  std::uint32_t max_interruptions = 10;  // leases ended by a drain
  // Consecutive leases that ended before their agent had started. Such a lease is no attempt, but
  // an incident that crashes its executor before the start must not block its cluster forever.
  std::uint32_t max_unstarted = 10;
  LeaseLimits leases;
  std::size_t history_count = 1000;                   // finished incidents kept
  std::size_t history_bytes = std::size_t{64} << 20;  // limit of their contexts and reports
};

// Makes all decisions: which event becomes an incident, how long it waits, which executor runs it
// and when, and how it ends.
//
// A deterministic state machine: every input carries `now`, no input comes from the environment,
// and the decisions are returned as Effects. The same inputs give the same effects. Pure; not
// thread-safe. Throws only std::invalid_argument, from the constructor.
//
// After every step, per cluster:
//   received                            = invalid + filtered + breaker_dropped + rejected + queued
//   restored + queued + requeued        = dequeued + expired + evicted + depth
//   restored + leases_restored + queued = sum(finished) + depth + leased
class Scheduler {
 public:
  using NewId = std::function<std::string(WallTime)>;

  // `new_id` returns the id of an incident: unique, and preferably ordered by time.
  Scheduler(SchedulerOptions options, NewId new_id);

  // kRejected: a queue was full.
  enum class Disposition { kQueued, kFiltered, kBreakerDropped, kRejected };
  struct EventResult {
    Disposition disposition = Disposition::kRejected;
    std::optional<FilterReason> filter_reason = {};  // for kFiltered
    // For kQueued, the new incident. For a duplicate, the incident that the event duplicates.
    std::string incident_id = {};

    // For logs and operators; empty for kQueued.
    std::string_view Reason() const;
  };

  // Restores the incidents of the journal; call before every other input. Queued incidents stay
  // queued, leased ones wait until their executor attaches again, finished ones are kept as
  // history. A sweep is due afterwards. Returns the ids of incidents whose cluster is not
  // configured; they are not restored.
  std::vector<std::string> Restore(std::vector<RestoredIncident> incidents, const Instant& now,
                                   Effects& effects);

  // Replaces the configured clusters; names must be unique. A new name gets the next index. A known
  // name keeps its index, counters and queue and gets the new rules. A missing name is removed: its
  // events are not accepted any more, but its queued and leased incidents are processed to their
  // end. Returns false and changes nothing if there would be more than `max_clusters`.
  bool SetClusters(const std::vector<ClusterOptions>& clusters);

  // A backfilled event occurred before ingest subscribed. It never escalates, since its severity
  // may be older than the investigation of its object.
  enum class Origin { kLive, kBackfill };

  // Input from MCP servers and from operators. `event.cluster` is ignored; the index counts.
  EventResult OnEvent(ClusterIndex cluster, FaultEvent event, const Instant& now, Effects& effects,
                      Origin origin = Origin::kLive);
  void OnInvalidEvent(ClusterIndex cluster, const std::string& reason,
                      std::optional<Severity> severity);

  // Input from executors.
  void OnHello(StreamId stream, const dispatch::Hello& hello, const Instant& now, Effects& effects);
  void OnCredits(StreamId stream, std::uint64_t total, const Instant& now, Effects& effects);
  void OnAccepted(StreamId stream, const Lease& lease, Effects& effects);
  void OnRejected(StreamId stream, const Lease& lease, dispatch::RejectReason reason,
                  const Instant& now, Effects& effects);
  void OnStarted(StreamId stream, const Lease& lease, const Instant& now, Effects& effects);
  void OnResult(StreamId stream, const Lease& lease, const Outcome& outcome, const Instant& now,
                Effects& effects);
  void OnKeepAlive(StreamId stream, std::uint64_t seq, const Instant& now, Effects& effects);
  void OnExecutorDraining(StreamId stream);
  void OnStreamClosed(StreamId stream, const Instant& now, Effects& effects);

  // Timers. Call at NextDeadline() or later; an earlier call does nothing.
  void OnTimer(const Instant& now, Effects& effects);
  // The sweep of incidents over `max_queue_age`. BeginSweep returns true if the sweep is due, and
  // sets the time of the next one. The caller then calls ExpireNext until it returns false; each
  // call is a step of its own, so that one failure does not stop the sweep.
  bool BeginSweep(const Instant& now);
  bool ExpireNext(const Instant& now, Effects& effects);
  std::optional<MonoTime> NextDeadline() const;

  // Stops leasing and tells the executors of this pod to drain.
  void BeginDrain(Effects& effects);
  // Cancels the running incidents on the executors of this pod.
  void CancelRunning(Effects& effects);
  // Leases held by the executors of this pod; a drain waits until there are none.
  std::size_t SidecarLeases() const;
  Duration LargestStopBudget() const;

  // From an operator: cancels the incident. A queued one ends at once. For a leased one the
  // executor stops the agent; whatever its result, there is no further attempt.
  enum class Cancelled { kUnknown, kEndedBefore, kEnded, kStopping };
  Cancelled Cancel(const std::string& incident_id, const Instant& now, Effects& effects);
  // From an operator: investigates a finished incident again, as a new incident that references it.
  // It counts as received and queued, and bypasses the filter, the deduplication window and the
  // breaker policy. The bounds of the queues and all limits on leasing apply.
  struct Rerun {
    enum class Result {
      kQueued,
      kUnknown,
      kNotEnded,       // see `state`
      kNotConfigured,  // its cluster was removed
      kOpenElsewhere,  // another incident of its key, `incident_id`, is queued or running
      kRejected
    };
    Result result = Result::kUnknown;
    std::string incident_id = {};  // the new one; for kOpenElsewhere, the open one
    IncidentState state = IncidentState::kFinished;
  };
  Rerun RerunIncident(const std::string& incident_id, const Instant& now, Effects& effects);
  // From an operator: the cause of the failures is fixed.
  void ResetBreaker(const Instant& now, Effects& effects);

  // Why the queued incidents of a cluster are not leased now.
  enum class WaitReason {
    kNone,
    kDraining,
    kBreakerOpen,
    kBreakerProbing,
    kClusterBusy,
    kAllBusy,
    kHourlyRunLimit,
    kNoExecutor,
    kNoFreeSlot,
    kOffersDelayed  // an executor rejected an offer; the next one is due later
  };
  WaitReason WhyNotLeased(ClusterIndex cluster, MonoTime now) const;

  // For metrics, health and admin. Valid until the next input.
  struct ClusterView {
    const std::string& name;
    const ClusterCounters& counters;
    std::size_t depth = 0;
    std::size_t leased = 0;
    std::optional<WallTime> oldest_queued;
    bool configured = true;  // not removed
  };
  // The index of a configured cluster.
  std::optional<ClusterIndex> ClusterOf(std::string_view name) const;
  ClusterView View(ClusterIndex cluster) const;
  // Includes removed clusters.
  std::size_t cluster_count() const { return clusters_.size(); }
  const SchedulerCounters& counters() const { return counters_; }
  const CircuitBreaker& breaker() const { return breaker_; }
  const IncidentQueues& waiting() const { return waiting_; }
  const LeaseTable& leases() const { return leases_; }
  const IncidentTable& incidents() const { return incidents_; }
  bool draining() const { return draining_; }
  const SchedulerOptions& options() const { return options_; }

 private:
  // The reason of an incident cancelled by an operator.
  static constexpr const char* kCancelled = "cancelled";

  // Why an incident returns to the queue.
  struct Return {
    RequeueReason reason = RequeueReason::kLost;
    dispatch::RejectReason reject_reason = {};  // for kRejected
  };

  struct Cluster {
    std::string name;
    EventFilter filter;
    bool configured = true;
    std::size_t leased = 0;
    bool in_turn = false;  // is in turns_
    ClusterCounters counters = {};
  };

  void AddCluster(const ClusterOptions& cluster);

  // The checks of an event, in this order. Each returns the result of an event that ends here, or
  // nothing. An event that escalates is no duplicate.
  std::optional<EventResult> Filtered(Cluster& cluster, const Incident& incident, Effects& effects);
  std::optional<EventResult> Duplicate(Cluster& cluster, const Incident& incident,
                                       const std::string& key, Origin origin, const Instant& now,
                                       Effects& effects);
  std::optional<EventResult> BreakerDropped(Cluster& cluster, const Incident& incident,
                                            Effects& effects);
  std::optional<EventResult> Rejected(ClusterIndex index, const Incident& incident,
                                      const Instant& now, Effects& effects);
  void Merge(IncidentRecord& record, const FaultEvent& event, Effects& effects);
  // Queues an incident that passed the checks, and leases it if an executor has a free slot.
  EventResult Queue(ClusterIndex index, Incident incident, const std::string& key,
                    const Instant& now, Effects& effects);

  static Persist ChangeOf(const IncidentRecord& record);
  void RestoreOne(RestoredIncident restored, ClusterIndex index, const Instant& now);
  void OnLeaseLost(const Lease& lease, RequeueReason reason, const Instant& now, Effects& effects);
  // Detaches the stream's executor. Offers without Accepted are lost; its other leases wait for a
  // Hello.
  void Detach(StreamId stream, const Instant& now, Effects& effects);
  // Detaches every executor that has sent no keep-alive for `lease_ttl`.
  void DetachSilent(const Instant& now, Effects& effects);
  // Its lease ended without a result: requeues it, or finishes it if this was the last attempt.
  void GiveBack(IncidentRecord& record, bool last, Return returned, const Instant& now,
                Effects& effects);
  void Requeue(IncidentRecord& record, Return returned, const Instant& now, Effects& effects);
  void Finish(IncidentRecord& record, FinalStatus status, const std::string& reason,
              const Instant& now, Effects& effects);
  void Expire(const ClusterQueue::Entry& entry, const Instant& now, Effects& effects);
  static bool Ran(const Outcome& outcome);
  // True if the incident was investigated, so that its key stays taken for the window.
  static bool EndedAsRun(const IncidentProgress& progress);
  // Count a lease that ended without a result. Return true if it was the last one allowed.
  bool CountLost(IncidentRecord& record) const;
  bool CountInterrupted(IncidentRecord& record) const;
  void EndLease(IncidentRecord& record, bool ran, std::optional<RunStatus> status,
                const Instant& now, Effects& effects);
  void ArmSweep(const Instant& now);
  void ReportBreaker(Effects& effects) const;

  // Why no cluster is leased anything now; kNone if leases are possible.
  WaitReason WhyNothingIsLeased(MonoTime now) const;
  void TakeTurn(ClusterIndex cluster);
  bool Eligible(ClusterIndex cluster) const;
  void Dispatch(const Instant& now, Effects& effects);
  void LeaseNext(ClusterIndex index, const Instant& now, Effects& effects);

  const SchedulerOptions options_;
  const NewId new_id_;
  std::vector<Cluster> clusters_;
  std::unordered_map<std::string, ClusterIndex> cluster_by_name_;  // removed clusters included
  std::deque<ClusterIndex> turns_;  // eligible clusters, in round-robin order
  IncidentQueues waiting_;
  IncidentTable incidents_;
  DedupWindow dedup_;
  CircuitBreaker breaker_;
  HourlyRunLimit run_limit_;
  LeaseTable leases_;
  SchedulerCounters counters_;
  std::optional<MonoTime> next_sweep_;
  bool draining_ = false;
  bool cancelling_ = false;  // the drain timed out: running incidents are cancelled
};

}  // namespace runner::ingest
