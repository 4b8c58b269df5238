#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/domain/incident.h"
#include "ingest/core/effects.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {

// The disposition of one event.
struct EventDecision {
  std::string event_id;  // as in the log
  std::string cluster;
  std::string fault_type;
  Severity severity = Severity::kWarning;
  Resource resource;
  WallTime received_at;
  // One of: received (not decided yet), filtered, dropped (by the circuit breaker), rejected (a
  // queue was full), queued, finished.
  std::string_view disposition = "received";
  std::string incident_id = {};  // the incident that it became or duplicates
  // The explanation, one sentence. Empty while the incident is open; Explain asks the scheduler.
  std::string why = {};
  // Why the deduplication window did not apply, one sentence: it escalated, or it is a rerun.
  std::string past_window = {};
};

// The decisions on the latest events, so that an operator can find out why an event was or was not
// investigated. Fed with the facts of the scheduler in their order. Bounded: the oldest decisions
// are dropped. Pure; not thread-safe.
class DecisionLog {
 public:
  static constexpr std::size_t kCapacity = 10'000;

  explicit DecisionLog(const SchedulerOptions& options, std::size_t capacity = kCapacity);

  void OnFact(const Fact& fact);

  // Selects decisions. An empty field matches every value.
  struct Query {
    std::string cluster = {};
    std::string event_id = {};
    std::string incident_id = {};
    Resource resource = {};
  };
  // Newest first, at most `limit`. Valid until the next fact. Costs O(capacity).
  std::vector<const EventDecision*> Newest(const Query& query, std::size_t limit) const;
  std::size_t size() const { return ring_.size(); }
  // The number of logged events that became an incident.
  std::size_t incidents() const { return by_incident_.size(); }

 private:
  void On(const EventReceived& received);
  void On(const EventFiltered& filtered);
  void On(const EventEscalated& escalated);
  void On(const EventBreakerDropped& dropped);
  void On(const QueueOverflowed& overflow);
  void On(const EventQueued& queued);
  void On(const EventExpired& expired);
  void On(const IncidentFinished& finished);
  // Explain reads the state of a lease from the scheduler. A breaker change concerns no event.
  void On(const IncidentLeased&) {}
  void On(const IncidentRequeued&) {}
  void On(const BreakerChanged&) {}

  std::string WhyFiltered(const EventFiltered& filtered) const;
  std::string WhyDuplicate(const EventFiltered& filtered) const;
  std::string WhyFinished(const IncidentFinished& finished) const;
  // The event that became this incident, or null if it was dropped from the log.
  EventDecision* Of(const std::string& incident_id);

  const std::size_t capacity_;
  const Duration max_queue_age_;
  const DedupKey dedup_key_;
  const OverflowPolicy overflow_policy_;
  std::deque<EventDecision> ring_;  // oldest first
  std::uint64_t forgotten_ = 0;     // number of decisions dropped from the front of ring_
  // Sequence numbers of the events that became an incident.
  std::unordered_map<std::string, std::uint64_t> by_incident_;
};

// Explains the disposition of the event in one sentence, preceded by a second one if the event
// escalated or is a rerun. If its incident is open, explains the current state of the incident.
std::string Explain(const EventDecision& decision, const Scheduler& scheduler, const Instant& now);

}  // namespace runner::ingest
