#include "ingest/core/incident_table.h"

#include <array>
#include <utility>

namespace runner::ingest {

std::string_view ToString(IncidentState state) {
  constexpr std::array<std::string_view, 4> kWords = {"queued", "offered", "running", "finished"};
  return kWords[static_cast<std::size_t>(state)];
}

std::optional<IncidentState> ParseIncidentState(std::string_view word) {
  for (const auto state : {IncidentState::kQueued, IncidentState::kOffered, IncidentState::kRunning,
                           IncidentState::kFinished}) {
    if (ToString(state) == word) return state;
  }
  return std::nullopt;
}

std::string_view ToString(FinalStatus status) {
  switch (status) {
    case FinalStatus::kSuccess:
      return "success";
    case FinalStatus::kFailure:
      return "failure";
    case FinalStatus::kTimeout:
      return "timeout";
    case FinalStatus::kCancelled:
      return "cancelled";
    case FinalStatus::kExpired:
      return "expired";
    case FinalStatus::kEvicted:
      return "evicted";
  }
  return "";
}

std::optional<FinalStatus> ParseFinalStatus(std::string_view word) {
  using enum FinalStatus;
  for (const FinalStatus status : {kSuccess, kFailure, kTimeout, kCancelled, kExpired, kEvicted}) {
    if (ToString(status) == word) return status;
  }
  return std::nullopt;
}

FinalStatus FinalStatusOf(RunStatus status) {
  switch (status) {
    case RunStatus::kSuccess:
      return FinalStatus::kSuccess;
    case RunStatus::kTimeout:
      return FinalStatus::kTimeout;
    case RunStatus::kCancelled:
      return FinalStatus::kCancelled;
    case RunStatus::kFailure:
    case RunStatus::kInterrupted:
      break;
  }
  return FinalStatus::kFailure;
}

std::string_view ToString(EvictReason reason) {
  return reason == EvictReason::kOverflow ? "overflow" : "cancelled";
}

IncidentRecord& IncidentTable::Add(IncidentRecord record) {
  records_.push_back(std::move(record));
  const auto added = std::prev(records_.end());
  by_id_.emplace(added->incident.id, added);
  return *added;
}

IncidentRecord* IncidentTable::Find(const std::string& incident_id) {
  const auto found = by_id_.find(incident_id);
  return found == by_id_.end() ? nullptr : &*found->second;
}

const IncidentRecord* IncidentTable::Find(const std::string& incident_id) const {
  return const_cast<IncidentTable*>(this)->Find(incident_id);
}

void IncidentTable::Finish(IncidentRecord& record, FinalStatus status, std::string reason) {
  record.state = IncidentState::kFinished;
  record.status = status;
  record.reason = std::move(reason);
  finished_.push_back(record.incident.id);
  finished_bytes_ += BytesOf(record);
  while (finished_.size() > 1 &&
         (finished_.size() > max_finished_ || finished_bytes_ > max_finished_bytes_)) {
    const auto oldest = by_id_.find(finished_.front());
    finished_bytes_ -= BytesOf(*oldest->second);
    records_.erase(oldest->second);
    by_id_.erase(oldest);
    finished_.pop_front();
  }
}

std::size_t IncidentTable::BytesOf(const IncidentRecord& record) {
  return record.incident.event.context.size() +
         (record.outcome ? record.outcome->report.size() : 0);
}

}  // namespace runner::ingest
