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
  std::vector<ClusterOptions> clusters;  // names are unique; SetClusters may replace them
  // Names in one life of the process, removed ones with them: their counters stay.
  std::size_t max_clusters = 40'000;
  DedupKey dedup_key = DedupKey::kResource;
  DedupWindow::Options dedup;
  CircuitBreaker::Options breaker;
  BreakerPolicy breaker_policy = BreakerPolicy::kDrop;  // of events that arrive while it is open
  Duration max_queue_age = std::chrono::minutes(10);
  Duration queue_sweep_interval = std::chrono::minutes(1);
  std::size_t cluster_queue_size = 100;
  std::size_t global_queue_size = 1000;
  OverflowPolicy overflow_policy = OverflowPolicy::kDropOldest;
  std::size_t max_concurrent_agents = 5;
  std::size_t max_agents_per_cluster = 1;
  std::size_t max_runs_per_hour = 0;     // 0: any number
  std::uint32_t max_attempts = 3;        // leases lost after their agent had started
  std::uint32_t max_interruptions = 10;  // leases ended by a drain
  // Leases lost or interrupted before their agent had started, in a row: no run was paid for, but
  // an incident that fells its executor before the start must not stand before its cluster forever.
  std::uint32_t max_unstarted = 10;
  LeaseLimits leases;
  std::size_t history_count = 1000;                   // finished incidents remembered
  std::size_t history_bytes = std::size_t{64} << 20;  // of their contexts and reports
};

// The one place where decisions are made: which event becomes an incident, how long it waits, who
// runs it and when, and how it ends.
//
// A deterministic state machine: every input carries `now`, nothing is read from the world, and
// what is to be done comes back as Effects. Two runs with the same inputs are the same. Pure;
// single-threaded; throws only std::invalid_argument from the constructor.
//
// After every step, per cluster:
//   received                            = invalid + filtered + breaker_dropped + rejected + queued
//   restored + queued + requeued        = dequeued + expired + evicted + depth
//   restored + leases_restored + queued = sum(finished) + depth + leased
class Scheduler {
 public:
  using NewId = std::function<std::string(WallTime)>;

  // `new_id` makes the id of an incident; unique and, best, in the order of time.
  Scheduler(SchedulerOptions options, NewId new_id);

  // What became of an event. kRejected: a queue was full.
  enum class Disposition { kQueued, kFiltered, kBreakerDropped, kRejected };
  struct EventResult {
    Disposition disposition = Disposition::kRejected;
    std::optional<FilterReason> filter_reason = {};  // of kFiltered
    // Of kQueued; of a duplicate, the incident that it belongs to.
    std::string incident_id = {};

    // A word for logs and operators; empty if kQueued.
    std::string_view Reason() const;
  };

  // What the journal knows from an earlier life; before every other input. Queued incidents wait
  // on, leased ones wait for their executor to attach again, finished ones are remembered. A sweep
  // is due afterwards. Returns the ids of those whose cluster is not configured: they are left
  // alone.
  std::vector<std::string> Restore(std::vector<RestoredIncident> incidents, const Instant& now,
                                   Effects& effects);

  // Other clusters are configured from now on; names are unique. A new name gets the next index, a
  // known one keeps its own, with counters and queue, and takes the new rules. One that is missing
  // is removed: it has no name any more by which events could come, but what waits and runs of it
  // is finished as ever. False, and nothing has changed: there would be more than `max_clusters`.
  bool SetClusters(const std::vector<ClusterOptions>& clusters);

  // How an event was found. A backfilled one occurred before ingest subscribed: it never escalates,
  // since its severity may be older than the investigation of its object.
  enum class Origin { kLive, kBackfill };

  // Input from MCP servers and from operators. `event.cluster` is ignored: the index counts.
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

  // Time. Call at NextDeadline() or later; a call in between does nothing.
  void OnTimer(const Instant& now, Effects& effects);
  // The sweep for what has waited too long. When it is due, which sets the time of the next one
  // whatever becomes of this one, incidents are to be expired until there is none: one at a time,
  // each a step, so that one that fails does not keep the others.
  bool BeginSweep(const Instant& now);
  bool ExpireNext(const Instant& now, Effects& effects);
  std::optional<MonoTime> NextDeadline() const;

  // Nothing is leased any more; the executors of this pod are told to drain.
  void BeginDrain(Effects& effects);
  // Stops what still runs on the executors of this pod.
  void CancelRunning(Effects& effects);
  // What a drain waits for: leases held by executors of this pod.
  std::size_t SidecarLeases() const;
  Duration LargestStopBudget() const;

  // From an operator: this incident is not to be investigated (further). One that waits ends at
  // once; the agent of one that an executor holds is stopped, and whatever comes of that, there is
  // no other attempt.
  enum class Cancelled { kUnknown, kEndedBefore, kEnded, kStopping };
  Cancelled Cancel(const std::string& incident_id, const Instant& now, Effects& effects);
  // From an operator: an incident that has ended is investigated again, as a new incident that
  // names it. It counts as an event that was received and queued, but passes the filter, the window
  // and the circuit breaker's policy. The bounds of the queues hold, and so do all limits on
  // leasing.
  struct Rerun {
    enum class Result {
      kQueued,
      kUnknown,
      kNotEnded,       // `state`
      kNotConfigured,  // its cluster was removed
      kOpenElsewhere,  // another incident of its key, `incident_id`, waits or runs
      kRejected
    };
    Result result = Result::kUnknown;
    std::string incident_id = {};  // of the new one; of kOpenElsewhere, of the open one
    IncidentState state = IncidentState::kFinished;
  };
  Rerun RerunIncident(const std::string& incident_id, const Instant& now, Effects& effects);
  // From an operator: what made agents fail is mended.
  void ResetBreaker(const Instant& now, Effects& effects);

  // Why nothing of a cluster, of which incidents wait, is leased now.
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
    kOffersDelayed  // an executor has rejected an offer, and the next one is due later
  };
  WaitReason WhyNotLeased(ClusterIndex cluster, MonoTime now) const;

  // What metrics, health and admin show. Valid until the next input.
  struct ClusterView {
    const std::string& name;
    const ClusterCounters& counters;
    std::size_t depth = 0;
    std::size_t leased = 0;
    std::optional<WallTime> oldest_queued;
    bool configured = true;  // not removed
  };
  // Of a configured cluster.
  std::optional<ClusterIndex> ClusterOf(std::string_view name) const;
  ClusterView View(ClusterIndex cluster) const;
  // With those that were removed.
  std::size_t cluster_count() const { return clusters_.size(); }
  const SchedulerCounters& counters() const { return counters_; }
  const CircuitBreaker& breaker() const { return breaker_; }
  const IncidentQueues& waiting() const { return waiting_; }
  const LeaseTable& leases() const { return leases_; }
  const IncidentTable& incidents() const { return incidents_; }
  bool draining() const { return draining_; }
  const SchedulerOptions& options() const { return options_; }

 private:
  // The reason of an incident that an operator has cancelled.
  static constexpr const char* kCancelled = "cancelled";

  // Why an incident returns to the queue.
  struct Return {
    RequeueReason reason = RequeueReason::kLost;
    dispatch::RejectReason reject_reason = {};  // of kRejected
  };

  struct Cluster {
    std::string name;
    EventFilter filter;
    bool configured = true;
    std::size_t leased = 0;
    bool in_turn = false;  // stands in turns_
    ClusterCounters counters = {};
  };

  void AddCluster(const ClusterOptions& cluster);

  // The checks of an event, in their order: what ends its way, or nothing.
  std::optional<EventResult> Filtered(Cluster& cluster, const Incident& incident, Effects& effects);
  // An event that escalates is none.
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
  // The leases of the stream's executor wait for its return, unless none can come.
  void Detach(StreamId stream, const Instant& now, Effects& effects);
  // Detaches every executor from which no keep-alive came for the time to live.
  void DetachSilent(const Instant& now, Effects& effects);
  // Its lease came to no result: it waits again, unless this attempt was the last.
  void GiveBack(IncidentRecord& record, bool last, Return returned, const Instant& now,
                Effects& effects);
  void Requeue(IncidentRecord& record, Return returned, const Instant& now, Effects& effects);
  void Finish(IncidentRecord& record, FinalStatus status, const std::string& reason,
              const Instant& now, Effects& effects);
  void Expire(const ClusterQueue::Entry& entry, const Instant& now, Effects& effects);
  static bool Ran(const Outcome& outcome);
  // Whether the incident was investigated, so that its key is taken for a while.
  static bool EndedAsRun(const IncidentProgress& progress);
  // Count the end of a lease that came to no result. True: it was the last that is allowed.
  bool CountLost(IncidentRecord& record) const;
  bool CountInterrupted(IncidentRecord& record) const;
  void EndLease(IncidentRecord& record, bool ran, std::optional<RunStatus> status,
                const Instant& now, Effects& effects);
  void ArmSweep(const Instant& now);
  void ReportBreaker(Effects& effects) const;

  // What keeps every cluster waiting.
  WaitReason WhyNothingIsLeased(MonoTime now) const;
  void TakeTurn(ClusterIndex cluster);
  bool Eligible(ClusterIndex cluster) const;
  void Dispatch(const Instant& now, Effects& effects);
  void LeaseNext(ClusterIndex index, const Instant& now, Effects& effects);

  const SchedulerOptions options_;
  const NewId new_id_;
  std::vector<Cluster> clusters_;
  std::unordered_map<std::string, ClusterIndex> cluster_by_name_;  // with those that were removed
  std::deque<ClusterIndex> turns_;  // clusters that could run an agent, in the order of turns
  IncidentQueues waiting_;
  IncidentTable incidents_;
  DedupWindow dedup_;
  CircuitBreaker breaker_;
  HourlyRunLimit rate_;
  LeaseTable leases_;
  SchedulerCounters counters_;
  std::optional<MonoTime> next_sweep_;
  bool draining_ = false;
  bool cancelling_ = false;  // the drain has lasted too long: what runs is stopped
};

}  // namespace runner::ingest
