#include "tests/sim/incident_truth.h"

#include <algorithm>
#include <utility>

namespace runner::sim {

using ingest::StreamId;

IncidentTruth::IncidentTruth(Environment& env, const RunTruth& runs,
                             ingest::SchedulerOptions options)
    : env_(env), runs_(runs), options_(std::move(options)) {
  for (const std::string& name : options_.clusters) clusters_.emplace_back().name = name;
}

std::size_t IncidentTruth::Executor::Free() const {
  if (stream == ingest::kNoStream || draining || offers >= credits || leases >= slots) return 0;
  return std::min<std::size_t>(credits - offers, slots - leases);
}

IncidentTruth::Executor* IncidentTruth::Of(StreamId stream) {
  const auto found = executor_of_.find(stream);
  return found == executor_of_.end() ? nullptr : &executors_.at(found->second);
}

IncidentTruth::Open* IncidentTruth::Held(const Lease& lease) {
  const auto found = open_.find(lease.incident_id);
  if (found == open_.end() || found->second.state == State::kQueued) return nullptr;
  return found->second.attempt == lease.attempt ? &found->second : nullptr;
}

bool IncidentTruth::IsCurrent(StreamId stream, const Lease& lease) const {
  const auto executor = executor_of_.find(stream);
  const Open* held = const_cast<IncidentTruth*>(this)->Held(lease);
  return executor != executor_of_.end() && held != nullptr && held->executor == executor->second;
}

Duration IncidentTruth::Waited(const Open& incident) const {
  return incident.waited + (env_.Now() - incident.since);
}

std::optional<std::string> IncidentTruth::EndOf(const std::string& incident_id) const {
  const auto found = ended_.find(incident_id);
  return found == ended_.end() ? std::nullopt : std::optional(found->second);
}

void IncidentTruth::Transit(const Open* from, std::string_view to) const {
  std::string_view state;
  if (from != nullptr) {
    state = from->state == State::kQueued    ? "queued"
            : from->state == State::kOffered ? "offered"
            : from->started                  ? "started"
                                             : "accepted";
  }
  env_.transitions.Count("incident", state, to, cause_);
}

// --- inputs ---------------------------------------------------------------------------------

void IncidentTruth::BeginInput(std::string_view cause) {
  cause_ = cause;
  result_of_.reset();
  result_status_.reset();
  expected_decisions_.clear();
  expected_close_ = ingest::kNoStream;
  unlisted_.clear();
  evicted_ = false;
}

void IncidentTruth::OnHello(StreamId stream, const ingest::HelloInfo& hello) {
  Executor& executor = executors_[hello.executor_id];
  if (executor.stream != ingest::kNoStream) {
    expected_close_ = executor.stream;
    executor_of_.erase(executor.stream);
  }
  executor.stream = stream;
  executor.slots = hello.slots;
  executor.credits = executor.offers = 0;
  executor.draining = false;
  executor_of_[stream] = hello.executor_id;

  std::set<Lease> listed;
  for (const auto* list : {&hello.running, &hello.results_waiting}) {
    for (const Lease& lease : *list) {
      const bool keep = IsCurrent(stream, lease);
      expected_decisions_.emplace_back(lease, keep);
      listed.insert(lease);
      if (!keep) continue;
      Open& kept = *Held(lease);
      if (kept.state == State::kOffered) Transit(&kept, "accepted");
      kept.state = State::kRunning;
    }
  }
  for (const auto& [id, incident] : open_) {
    const Lease lease{id, incident.attempt};
    if (IsCurrent(stream, lease) && !listed.contains(lease)) unlisted_.push_back(lease);
  }
}

void IncidentTruth::OnMessage(StreamId stream, const UpMessage& message) {
  Executor* executor = Of(stream);
  if (executor == nullptr) return;
  if (const auto* credits = std::get_if<Credits>(&message)) {
    executor->credits = std::max(executor->credits, credits->total);
  } else if (std::holds_alternative<Draining>(message)) {
    executor->draining = true;
  }
  const Lease* lease = LeaseOf(message);
  if (lease == nullptr || !IsCurrent(stream, *lease)) return;
  Open& held = *Held(*lease);
  const bool started = std::holds_alternative<Started>(message);
  if (started || std::holds_alternative<Accepted>(message)) {
    if (held.state == State::kOffered) Transit(&held, "accepted");
    held.state = State::kRunning;
    if (started && !std::exchange(held.started, true)) {
      env_.transitions.Count("incident", "accepted", "started", cause_);
    }
  } else if (const auto* result = std::get_if<Result>(&message)) {
    result_of_ = result->lease;
    result_status_ = result->outcome.status;
    if (!rogues_.contains(held.executor)) {
      Expect(runs_.StatusOf(*lease) == result->outcome.status, Invariant::kOneTerminalStatus,
             [&] { return TextOf(message) + " is not how the run ended"; });
    }
  }
}

void IncidentTruth::OnClosed(StreamId stream) {
  Executor* executor = Of(stream);
  if (executor == nullptr) return;
  executor->stream = ingest::kNoStream;
  executor->detached_at = env_.Now();
  executor_of_.erase(stream);
}

}  // namespace runner::sim
