#include "tests/sim/simulated_journal.h"

#include <utility>

namespace runner::sim {

using std::chrono::milliseconds;

std::vector<ingest::RestoredIncident> SimulatedJournal::Restore() {
  std::vector<ingest::RestoredIncident> restored;
  for (const auto& [id, incident] : disk_) restored.push_back(incident);
  return restored;
}

ingest::JournalPosition SimulatedJournal::Append(std::vector<ingest::IncidentChange> changes) {
  for (ingest::IncidentChange& change : changes) pending_.push_back(std::move(change));
  ++appended_;
  if (!std::exchange(writing_, true)) {
    const Duration delay = env_.Strikes(Fault::kSlowDisk) ? env_.random.Around(milliseconds(500))
                                                          : Duration(milliseconds(2));
    env_.events.After(this, delay, [this] { Commit(); });
  }
  return appended_;
}

void SimulatedJournal::Commit() {
  for (ingest::IncidentChange& change : pending_) {
    ingest::RestoredIncident& row = disk_[change.incident_id];
    if (change.added) row.incident = *std::move(change.added);
    row.progress = std::move(change.progress);
    row.incident.occurrences = change.occurrences;
    row.incident.event.severity = change.severity;
    row.incident.last_seen = change.last_seen;
  }
  pending_.clear();
  writing_ = false;
  committed_ = appended_;
  if (tell_) tell_();
}

void SimulatedJournal::Crash() {
  env_.events.DropAllOf(this);
  pending_.clear();
  writing_ = false;
  committed_ = appended_;
  tell_ = nullptr;
}

}  // namespace runner::sim
