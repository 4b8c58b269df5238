#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/incident.h"
#include "ingest/core/cluster_queue.h"
#include "ingest/core/counters.h"
#include "ingest/core/effects.h"
#include "ingest/core/event_filter.h"
#include "ingest/core/incident_table.h"
#include "ingest/core/lease_book.h"

namespace runner::ingest {

enum class OverflowPolicy { kDropOldest, kRejectNewest };

std::string_view ToString(OverflowPolicy policy);

struct SchedulerOptions {
  std::vector<std::string> clusters;  // configured names, unique
  Severity severity_threshold = Severity::kWarning;
  Duration max_queue_age = std::chrono::minutes(10);
  Duration queue_sweep_interval = std::chrono::minutes(1);
  std::size_t cluster_queue_size = 100;
  OverflowPolicy overflow_policy = OverflowPolicy::kDropOldest;
  std::size_t max_concurrent_agents = 5;
  std::size_t max_agents_per_cluster = 1;
  std::uint32_t max_attempts = 3;        // leases lost after their agent had started
  std::uint32_t max_interruptions = 10;  // leases ended by a drain
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
//   received           = invalid + filtered + rejected + queued
//   queued + requeued  = dequeued + expired + evicted + depth
//   queued             = sum(finished) + depth + leased
class Scheduler {
 public:
  using NewId = std::function<std::string(WallTime)>;

  // `new_id` makes the id of an incident; unique and, best, in the order of time.
  Scheduler(SchedulerOptions options, NewId new_id);

  // How one event ended its way into the system.
  struct Admission {
    enum class Result { kQueued, kFiltered, kRejected };
    Result result = Result::kRejected;
    std::string reason;       // of kFiltered, kRejected
    std::string incident_id;  // of kQueued
  };

  // Input from MCP servers and from operators. `event.cluster` is ignored: the index counts.
  Admission OnEvent(ClusterIndex cluster, FaultEvent event, const Instant& now, Effects& effects);
  void OnInvalidEvent(ClusterIndex cluster, const std::string& reason,
                      std::optional<Severity> severity);

  // Input from executors.
  void OnHello(StreamId stream, const HelloInfo& hello, const Instant& now, Effects& effects);
  void OnCredits(StreamId stream, std::uint64_t total, const Instant& now, Effects& effects);
  void OnAccepted(StreamId stream, const Lease& lease, Effects& effects);
  void OnRejected(StreamId stream, const Lease& lease, const std::string& reason,
                  const Instant& now, Effects& effects);
  void OnStarted(StreamId stream, const Lease& lease, const Instant& now, Effects& effects);
  void OnResult(StreamId stream, const Lease& lease, const Outcome& outcome, const Instant& now,
                Effects& effects);
  void OnBeat(StreamId stream, std::uint64_t seq, Effects& effects);
  void OnExecutorDraining(StreamId stream);
  void OnStreamClosed(StreamId stream, const Instant& now, Effects& effects);

  // Time. Call at NextDeadline() or later; a call in between does nothing.
  void OnTimer(const Instant& now, Effects& effects);
  std::optional<MonoTime> NextDeadline() const;

  // Nothing is leased any more; the executors of this pod are told to drain.
  void BeginDrain(Effects& effects);
  // Stops what still runs on the executors of this pod.
  void CancelRunning(const std::string& reason, Effects& effects);
  // What a drain waits for: leases held by executors of this pod.
  std::size_t SidecarLeases() const;
  Duration LargestStopBudget() const;

  // What metrics, health and admin show. Valid until the next input.
  struct ClusterView {
    const std::string& name;
    const ClusterCounters& counters;
    std::size_t depth = 0;
    std::size_t leased = 0;
    std::optional<WallTime> oldest_queued;
  };
  std::optional<ClusterIndex> ClusterOf(std::string_view name) const;
  ClusterView View(ClusterIndex cluster) const;
  std::size_t cluster_count() const { return clusters_.size(); }
  const SchedulerCounters& counters() const { return counters_; }
  const LeaseBook& leases() const { return leases_; }
  const IncidentTable& incidents() const { return incidents_; }
  bool draining() const { return draining_; }

 private:
  struct Cluster {
    std::string name;
    ClusterQueue queue;
    std::size_t leased = 0;
    bool in_turn = false;  // stands in turns_
    ClusterCounters counters;
  };

  bool MakeRoom(Cluster& cluster, const std::string& newcomer, Effects& effects);
  void Lost(const Lease& lease, const std::string& reason, const Instant& now, Effects& effects);
  void Requeue(IncidentRecord& record, const std::string& reason, const Instant& now,
               Effects& effects);
  void Finish(IncidentRecord& record, const std::string& status, const std::string& reason,
              Effects& effects);
  void Expire(const ClusterQueue::Entry& entry, const Instant& now, Effects& effects);
  void EndLease(IncidentRecord& record);
  void TakeTurn(ClusterIndex cluster);
  bool Eligible(const Cluster& cluster) const;
  void Dispatch(const Instant& now, Effects& effects);
  void LeaseNext(ClusterIndex index, const Instant& now, Effects& effects);

  const SchedulerOptions options_;
  const EventFilter filter_;
  const NewId new_id_;
  std::vector<Cluster> clusters_;
  std::unordered_map<std::string, ClusterIndex> cluster_by_name_;
  std::deque<ClusterIndex> turns_;  // clusters that could run an agent, in the order of turns
  IncidentTable incidents_;
  LeaseBook leases_;
  SchedulerCounters counters_;
  std::optional<MonoTime> next_sweep_;
  bool draining_ = false;
  std::optional<std::string> cancel_reason_;  // set once running incidents are cancelled
};

}  // namespace runner::ingest
