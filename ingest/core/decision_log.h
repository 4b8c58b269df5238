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

// What became of one event.
struct EventDecision {
  std::string event_id;  // as the log calls it
  std::string cluster;
  std::string fault_type;
  Severity severity = Severity::kWarning;
  Resource resource;
  WallTime received_at;
  // received (not decided yet), filtered, dropped (by the circuit breaker), rejected (no room),
  // queued, finished.
  std::string_view disposition = "received";
  std::string incident_id = {};  // that it became, or that it is a duplicate of
  // Why, as one sentence; empty while its incident is open: then the scheduler knows.
  std::string why = {};
  // How it came past the window of its key, as one sentence: it escalated, or it is a rerun.
  std::string past_window = {};
};

// The decisions on the latest events: what an operator asks for who misses an investigation, or
// wonders at one. Fed with the facts of the scheduler, in their order. Bounded: the oldest are
// forgotten. Pure; not thread-safe.
class DecisionLog {
 public:
  static constexpr std::size_t kCapacity = 10'000;

  explicit DecisionLog(const SchedulerOptions& options, std::size_t capacity = kCapacity);

  void OnFact(const Fact& fact);

  // Which decisions; what is empty does not count.
  struct Query {
    std::string cluster = {};
    std::string event_id = {};
    std::string incident_id = {};
    Resource resource = {};
  };
  // Newest first, at most `limit`. Valid until the next fact. Costs as much as the ring is long.
  std::vector<const EventDecision*> Newest(const Query& query, std::size_t limit) const;
  std::size_t size() const { return ring_.size(); }
  // Events among them that became an incident.
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
  // What an executor does with an incident, the scheduler knows; the breaker is no event.
  void On(const IncidentLeased&) {}
  void On(const IncidentRequeued&) {}
  void On(const BreakerChanged&) {}

  std::string WhyFiltered(const EventFiltered& filtered) const;
  std::string WhyDuplicate(const EventFiltered& filtered) const;
  std::string WhyFinished(const IncidentFinished& finished) const;
  // The event that became this incident, or null when it is forgotten.
  EventDecision* Of(const std::string& incident_id);

  const std::size_t capacity_;
  const Duration max_queue_age_;
  const DedupKey dedup_key_;
  const OverflowPolicy overflow_policy_;
  std::deque<EventDecision> ring_;  // oldest first
  std::uint64_t forgotten_ = 0;     // before the first of the ring
  // Sequence numbers of the events that became an incident.
  std::unordered_map<std::string, std::uint64_t> by_incident_;
};

// The fate of the event in one sentence, after another one if the event escalated or is a rerun. If
// its incident is open: the current state of that incident.
std::string Explain(const EventDecision& decision, const Scheduler& scheduler, const Instant& now);

}  // namespace runner::ingest
