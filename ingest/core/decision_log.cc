#include "ingest/core/decision_log.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "common/base/values.h"

namespace runner::ingest {
namespace {

// As people say it: nobody wants to read nanoseconds.
std::string About(Duration duration) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const bool is_long = duration >= seconds(10);
  return FormatDuration(is_long ? Duration(std::chrono::round<seconds>(duration))
                                : Duration(std::chrono::round<milliseconds>(duration)));
}

bool Fits(const std::string& wanted, const std::string& actual) {
  return wanted.empty() || wanted == actual;
}

bool Fits(const DecisionLog::Query& query, const EventDecision& decision) {
  const Resource& resource = query.resource;
  return Fits(query.cluster, decision.cluster) && Fits(query.event_id, decision.event_id) &&
         Fits(query.incident_id, decision.incident_id) &&
         Fits(resource.kind, decision.resource.kind) &&
         Fits(resource.name, decision.resource.name) &&
         Fits(resource.namespace_, decision.resource.namespace_) &&
         Fits(resource.uid, decision.resource.uid) &&
         Fits(resource.api_version, decision.resource.api_version);
}

std::string RunBy(const std::string& executor_id, std::uint32_t attempt) {
  return "on executor " + executor_id + ", attempt " + std::to_string(attempt);
}

}  // namespace

DecisionLog::DecisionLog(const SchedulerOptions& options, std::size_t capacity)
    : capacity_(capacity),
      max_queue_age_(options.max_queue_age),
      dedup_key_(options.dedup_key),
      overflow_policy_(options.overflow_policy) {}

void DecisionLog::OnFact(const Fact& fact) {
  std::visit([this](const auto& one) { On(one); }, fact);
}

std::vector<const EventDecision*> DecisionLog::Newest(const Query& query, std::size_t limit) const {
  std::vector<const EventDecision*> found;
  for (auto it = ring_.rbegin(); it != ring_.rend() && found.size() < limit; ++it) {
    if (Fits(query, *it)) found.push_back(&*it);
  }
  return found;
}

// --- what the effects tell ------------------------------------------------------------------

// The effects of an event follow that of its arrival at once: they are about the latest.
void DecisionLog::On(const EventReceived& received) {
  if (ring_.size() == capacity_) {
    // A duplicate comes after the event that became its incident: that one is forgotten already.
    by_incident_.erase(ring_.front().incident_id);
    ring_.pop_front();
    ++forgotten_;
  }
  const FaultEvent& event = received.event;
  ring_.push_back({.event_id = received.event_id,
                   .cluster = event.cluster,
                   .fault_type = event.fault_type,
                   .severity = event.severity,
                   .resource = event.resource,
                   .received_at = event.received_at});
}

void DecisionLog::On(const EventFiltered& filtered) {
  EventDecision& decision = ring_.back();
  decision.disposition = "filtered";
  decision.incident_id = filtered.incident_id;
  decision.why = filtered.reason == "duplicate" ? WhyDuplicate(filtered) : WhyFiltered(filtered);
}

std::string DecisionLog::WhyFiltered(const EventFiltered& filtered) const {
  const FaultEvent& event = filtered.event;
  const std::string rules = "Filtered: the rules of cluster " + event.cluster + " do not admit ";
  if (filtered.reason == "severity") {
    return "Filtered: its severity " + std::string(ToString(event.severity)) +
           " is below the threshold of cluster " + event.cluster + ", which is " +
           std::string(ToString(filtered.threshold)) + ".";
  }
  if (filtered.reason == "namespace") return rules + "namespace " + event.resource.namespace_ + ".";
  if (filtered.reason == "kind") return rules + "kind " + event.resource.kind + ".";
  if (filtered.reason == "fault_type") return rules + "fault type " + event.fault_type + ".";
  return "Filtered: cluster " + event.cluster + " is configured with triage: false.";
}

std::string DecisionLog::WhyDuplicate(const EventFiltered& filtered) const {
  const std::string same = "Duplicate: incident " + filtered.incident_id + " of the same " +
                           std::string(ToString(dedup_key_));
  switch (filtered.incident_state) {
    case IncidentState::kQueued:
      return same + " waited already, and this event was merged into it.";
    case IncidentState::kOffered:
    case IncidentState::kRunning:
      return same + " was being investigated.";
    case IncidentState::kFinished:
      break;
  }
  return same + " had ended" +
         (filtered.incident_status.empty() ? "" : " as " + filtered.incident_status) +
         "; events like it were ignored for another " + About(filtered.taken_for) + ".";
}

void DecisionLog::On(const EventEscalated& escalated) {
  ring_.back().past_window =
      "Escalated: its severity " + std::string(ToString(ring_.back().severity)) + " is above " +
      std::string(ToString(escalated.level)) +
      ", the highest that was investigated lately; incident " + escalated.incident_id +
      " of the same " + std::string(ToString(dedup_key_)) + " had ended.";
}

void DecisionLog::On(const EventBreakerDropped&) {
  ring_.back().disposition = "dropped";
  ring_.back().why =
      "Dropped: the circuit breaker was open, since agents had failed one after the other, and "
      "--circuit-breaker-policy is drop.";
}

void DecisionLog::On(const QueueOverflowed& overflow) {
  if (!overflow.rejected) return;  // IncidentFinished tells of what was evicted
  ring_.back().disposition = "rejected";
  ring_.back().why = "Rejected: there was no room, with " + std::to_string(overflow.depth) +
                     " incidents of cluster " + overflow.cluster + " waiting, and " +
                     std::to_string(overflow.waiting) + " of all clusters, " +
                     (overflow_policy_ == OverflowPolicy::kDropOldest
                          ? "and none less urgent to be evicted for it."
                          : "and --queue-overflow-policy is reject-newest.");
}

void DecisionLog::On(const EventQueued& queued) {
  EventDecision& decision = ring_.back();
  decision.disposition = "queued";
  decision.incident_id = queued.incident.id;
  by_incident_[queued.incident.id] = forgotten_ + ring_.size() - 1;
  if (!queued.incident.rerun_of.empty()) {
    decision.past_window =
        "Rerun: an operator had incident " + queued.incident.rerun_of + " investigated again.";
  }
}

void DecisionLog::On(const EventExpired& expired) {
  EventDecision* decision = Of(expired.incident.id);
  if (decision == nullptr) return;
  decision->why = "Expired: it waited for " + About(expired.age) + ", and --max-queue-age is " +
                  FormatDuration(max_queue_age_) + ".";
}

void DecisionLog::On(const IncidentFinished& finished) {
  EventDecision* decision = Of(finished.lease.incident_id);
  if (decision == nullptr) return;
  decision->disposition = "finished";
  if (finished.status != "expired") decision->why = WhyFinished(finished);
}

std::string DecisionLog::WhyFinished(const IncidentFinished& finished) const {
  if (finished.status == "evicted") {
    return "Evicted: the queue was full when another event came, and of the least urgent this one "
           "had waited longest.";
  }
  if (finished.reason == "attempts_exhausted") {
    return "Given up as failure: its runs were lost or interrupted too often, the last one " +
           RunBy(finished.executor_id, finished.lease.attempt) + ".";
  }
  const std::string where = RunBy(finished.executor_id, finished.lease.attempt) + ".";
  if (finished.status == "cancelled") {
    return finished.ran ? "Cancelled: its run was stopped " + where
                        : "Cancelled: an operator wanted no investigation, and none was under way.";
  }
  if (finished.reason == "spawn_error") return "Failed: its agent could not be started " + where;
  if (finished.reason == "kubeconfig_missing") {
    return "Failed: its cluster has no kubeconfig in --kubeconfig-dir " + where;
  }
  std::string reason;
  if (finished.reason == "exit_code" && finished.exit_code) {
    reason = " (exit code " + std::to_string(*finished.exit_code) + ")";
  } else if (!finished.reason.empty() && finished.reason != finished.status) {
    reason = " (" + finished.reason + ")";
  }
  return "Investigated: " + finished.status + reason + " " + where;
}

EventDecision* DecisionLog::Of(const std::string& incident_id) {
  const auto found = by_incident_.find(incident_id);
  return found == by_incident_.end() ? nullptr : &ring_[found->second - forgotten_];
}

// --- what is still open ---------------------------------------------------------------------

namespace {

std::string Text(Scheduler::WaitReason wait_reason, const SchedulerOptions& options) {
  using WaitReason = Scheduler::WaitReason;
  switch (wait_reason) {
    case WaitReason::kNone:
      break;
    case WaitReason::kDraining:
      return "ingest is shutting down and starts nothing";
    case WaitReason::kBreakerOpen:
      return "the circuit breaker is open";
    case WaitReason::kBreakerProbing:
      return "the circuit breaker is half-open, and the one run that it admits is under way";
    case WaitReason::kClusterBusy:
      return "its cluster runs as many agents as --max-agents-per-cluster allows (" +
             std::to_string(options.max_agents_per_cluster) + ")";
    case WaitReason::kAllBusy:
      return "as many agents run as --max-concurrent-agents allows (" +
             std::to_string(options.max_concurrent_agents) + ")";
    case WaitReason::kHourlyRunLimit:
      return "as many runs began within the hour as --max-runs-per-hour allows (" +
             std::to_string(options.max_runs_per_hour) + ")";
    case WaitReason::kNoExecutor:
      return "no executor is attached that takes work";
    case WaitReason::kNoFreeSlot:
      return "no executor has a free slot";
    case WaitReason::kOffersDelayed:
      return "an executor rejected its latest offer, and is offered the next one after a delay of "
             "at most 60 s";
  }
  return "its turn comes next";
}

std::string ExplainDisposition(const EventDecision& decision, const Scheduler& scheduler,
                               const Instant& now) {
  if (!decision.why.empty()) return decision.why;
  const IncidentRecord* record = scheduler.incidents().Find(decision.incident_id);
  if (record == nullptr) return "It is being decided on.";
  if (record->state == IncidentState::kFinished) {
    return "It has ended as " + record->status + ", which is being recorded.";
  }
  const Duration since = std::max(WallTime::duration::zero(), now.wall - record->since);
  if (record->state == IncidentState::kQueued) {
    const std::size_t before = scheduler.waiting().Of(record->cluster).Before(record->place);
    return "Queued: it has waited for " + About(record->waited + since) + ", with " +
           std::to_string(before) + " of its cluster before it, since " +
           Text(scheduler.WhyNotLeased(record->cluster, now.mono), scheduler.options()) + ".";
  }
  const std::string where = RunBy(record->executor_id, record->attempt);
  const std::string stop = record->cancel_requested ? ", and an operator has cancelled it" : "";
  if (!record->started) return "Leased: it is about to start " + where + stop + ".";
  return "Running: it has been leased for " + About(since) + " " + where + stop + ".";
}

}  // namespace

std::string Explain(const EventDecision& decision, const Scheduler& scheduler, const Instant& now) {
  const std::string disposition = ExplainDisposition(decision, scheduler, now);
  return decision.past_window.empty() ? disposition : decision.past_window + " " + disposition;
}

}  // namespace runner::ingest
