#include "ingest/core/decision_log.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "common/base/values.h"

namespace runner::ingest {
namespace {

// Rounded to seconds or milliseconds.
std::string Rounded(Duration duration) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const bool is_long = duration >= seconds(10);
  return FormatDuration(is_long ? Duration(std::chrono::round<seconds>(duration))
                                : Duration(std::chrono::round<milliseconds>(duration)));
}

bool Matches(const std::string& wanted, const std::string& actual) {
  return wanted.empty() || wanted == actual;
}

bool Matches(const DecisionLog::Query& query, const EventDecision& decision) {
  const Resource& resource = query.resource;
  return Matches(query.cluster, decision.cluster) && Matches(query.event_id, decision.event_id) &&
         Matches(query.incident_id, decision.incident_id) &&
         Matches(resource.kind, decision.resource.kind) &&
         Matches(resource.name, decision.resource.name) &&
         Matches(resource.namespace_, decision.resource.namespace_) &&
         Matches(resource.uid, decision.resource.uid) &&
         Matches(resource.api_version, decision.resource.api_version);
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
    if (Matches(query, *it)) found.push_back(&*it);
  }
  return found;
}

// --- facts ------------------------------------------------------------------------------------

// Facts about an event directly follow its EventReceived, so they concern the last entry.
void DecisionLog::On(const EventReceived& received) {
  if (ring_.size() == capacity_) {
    // A duplicate is newer than the entry of its incident, which is therefore already dropped.
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
  decision.why =
      filtered.reason == FilterReason::kDuplicate ? WhyDuplicate(filtered) : WhyFiltered(filtered);
}

std::string DecisionLog::WhyFiltered(const EventFiltered& filtered) const {
  const FaultEvent& event = filtered.event;
  const auto not_allowed = [&](const char* what, const std::string& value) {
    return "Filtered: the rules of cluster " + event.cluster + " do not allow " + what + " " +
           value + ".";
  };
  switch (filtered.reason) {
    case FilterReason::kSeverity:
      return "Filtered: severity " + std::string(ToString(event.severity)) +
             " is below severity_threshold " + std::string(ToString(filtered.threshold)) +
             " of cluster " + event.cluster + ".";
    case FilterReason::kNamespace:
      return not_allowed("namespace", event.resource.namespace_);
    case FilterReason::kKind:
      return not_allowed("kind", event.resource.kind);
    case FilterReason::kFaultType:
      return not_allowed("fault type", event.fault_type);
    case FilterReason::kTriageDisabled:
    case FilterReason::kDuplicate:
      break;
  }
  return "Filtered: cluster " + event.cluster + " has triage: false.";
}

std::string DecisionLog::WhyDuplicate(const EventFiltered& filtered) const {
  const std::string same = "Duplicate: incident " + filtered.incident_id + " of the same " +
                           std::string(ToString(dedup_key_));
  switch (filtered.incident_state) {
    case IncidentState::kQueued:
      return same + " was queued; the event was merged into it.";
    case IncidentState::kOffered:
    case IncidentState::kRunning:
      return same + " was being investigated.";
    case IncidentState::kFinished:
      break;
  }
  const std::string status =
      filtered.incident_status ? " as " + std::string(ToString(*filtered.incident_status)) : "";
  return same + " had ended" + status + "; its deduplication window stays open for " +
         Rounded(filtered.taken_for) + ".";
}

void DecisionLog::On(const EventEscalated& escalated) {
  ring_.back().past_window =
      "Escalated: severity " + std::string(ToString(ring_.back().severity)) + " is above " +
      std::string(ToString(escalated.level)) + ", the highest severity investigated; incident " +
      escalated.incident_id + " of the same " + std::string(ToString(dedup_key_)) + " had ended.";
}

void DecisionLog::On(const EventBreakerDropped&) {
  ring_.back().disposition = "dropped";
  ring_.back().why = "Dropped: the circuit breaker was open and --circuit-breaker-policy is drop.";
}

void DecisionLog::On(const QueueOverflowed& overflow) {
  if (!overflow.rejected) return;  // IncidentFinished explains an evicted incident
  ring_.back().disposition = "rejected";
  ring_.back().why = "Rejected: the queue was full (" + std::to_string(overflow.depth) +
                     " incidents of cluster " + overflow.cluster + ", " +
                     std::to_string(overflow.waiting) + " of all clusters); " +
                     (overflow_policy_ == OverflowPolicy::kDropOldest
                          ? "no queued incident had a lower priority."
                          : "--queue-overflow-policy is reject-newest.");
}

void DecisionLog::On(const EventQueued& queued) {
  EventDecision& decision = ring_.back();
  decision.disposition = "queued";
  decision.incident_id = queued.incident.id;
  by_incident_[queued.incident.id] = forgotten_ + ring_.size() - 1;
  if (!queued.incident.rerun_of.empty()) {
    decision.past_window = "Rerun: an operator requested another investigation of incident " +
                           queued.incident.rerun_of + ".";
  }
}

void DecisionLog::On(const EventExpired& expired) {
  EventDecision* decision = Of(expired.incident.id);
  if (decision == nullptr) return;
  decision->why = "Expired: queued for " + Rounded(expired.age) + "; --max-queue-age is " +
                  FormatDuration(max_queue_age_) + ".";
}

void DecisionLog::On(const IncidentFinished& finished) {
  EventDecision* decision = Of(finished.lease.incident_id);
  if (decision == nullptr) return;
  decision->disposition = "finished";
  if (finished.status != FinalStatus::kExpired) decision->why = WhyFinished(finished);
}

std::string DecisionLog::WhyFinished(const IncidentFinished& finished) const {
  if (finished.status == FinalStatus::kEvicted) {
    return "Evicted: the queue was full; this was the oldest incident of the lowest priority.";
  }
  if (finished.reason == "attempts_exhausted") {
    return "Failed: its attempts are exhausted; the last run was lost or interrupted " +
           RunBy(finished.executor_id, finished.lease.attempt) + ".";
  }
  const std::string where = RunBy(finished.executor_id, finished.lease.attempt) + ".";
  if (finished.status == FinalStatus::kCancelled) {
    return finished.ran ? "Cancelled: an operator stopped its run " + where
                        : "Cancelled: an operator cancelled it before a run started.";
  }
  if (finished.reason == "spawn_error") return "Failed: the agent could not be started " + where;
  if (finished.reason == "kubeconfig_missing") {
    return "Failed: --kubeconfig-dir has no kubeconfig of its cluster " + where;
  }
  std::string reason;
  if (finished.reason == "exit_code" && finished.exit_code) {
    reason = " (exit code " + std::to_string(*finished.exit_code) + ")";
  } else if (!finished.reason.empty() && finished.reason != ToString(finished.status)) {
    reason = " (" + finished.reason + ")";
  }
  return "Investigated: " + std::string(ToString(finished.status)) + reason + " " + where;
}

EventDecision* DecisionLog::Of(const std::string& incident_id) {
  const auto found = by_incident_.find(incident_id);
  return found == by_incident_.end() ? nullptr : &ring_[found->second - forgotten_];
}

// --- open incidents -----------------------------------------------------------------------------

namespace {

std::string Text(Scheduler::WaitReason wait_reason, const SchedulerOptions& options) {
  using WaitReason = Scheduler::WaitReason;
  switch (wait_reason) {
    case WaitReason::kNone:
      break;
    case WaitReason::kDraining:
      return "ingest drains";
    case WaitReason::kBreakerOpen:
      return "the circuit breaker is open";
    case WaitReason::kBreakerProbing:
      return "the circuit breaker is half-open and its only probe is running";
    case WaitReason::kClusterBusy:
      return "its cluster has reached --max-agents-per-cluster (" +
             std::to_string(options.max_agents_per_cluster) + ")";
    case WaitReason::kAllBusy:
      return "--max-concurrent-agents (" + std::to_string(options.max_concurrent_agents) +
             ") is reached";
    case WaitReason::kHourlyRunLimit:
      return "--max-runs-per-hour (" + std::to_string(options.max_runs_per_hour) + ") is reached";
    case WaitReason::kNoExecutor:
      return "no executor is attached that accepts work";
    case WaitReason::kNoFreeSlot:
      return "no executor has a free slot";
    case WaitReason::kOffersDelayed:
      return "an executor rejected its latest offer; the next offer follows within 60 s";
  }
  return "its turn is next";
}

std::string ExplainDisposition(const EventDecision& decision, const Scheduler& scheduler,
                               const Instant& now) {
  if (!decision.why.empty()) return decision.why;
  const IncidentRecord* record = scheduler.incidents().Find(decision.incident_id);
  if (record == nullptr) return "Pending: the decision is in progress.";
  if (record->state == IncidentState::kFinished) {
    return "Finished: " + std::string(ToString(*record->status)) +
           "; the write to the journal is in progress.";
  }
  const Duration since = std::max(WallTime::duration::zero(), now.wall - record->since);
  if (record->state == IncidentState::kQueued) {
    const std::size_t before = scheduler.waiting().Of(record->cluster).Before(record->place);
    return "Queued: for " + Rounded(record->waited + since) + ", with " + std::to_string(before) +
           " of its cluster before it; " +
           Text(scheduler.WhyNotLeased(record->cluster, now.mono), scheduler.options()) + ".";
  }
  const std::string where = RunBy(record->executor_id, record->attempt);
  const std::string stop = record->cancel_requested ? "; an operator has cancelled it" : "";
  if (!record->started) return "Leased: the agent is about to start " + where + stop + ".";
  return "Running: for " + Rounded(since) + " " + where + stop + ".";
}

}  // namespace

std::string Explain(const EventDecision& decision, const Scheduler& scheduler, const Instant& now) {
  const std::string disposition = ExplainDisposition(decision, scheduler, now);
  return decision.past_window.empty() ? disposition : decision.past_window + " " + disposition;
}

}  // namespace runner::ingest
