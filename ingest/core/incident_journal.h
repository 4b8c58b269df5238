#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/incident.h"
#include "ingest/core/incident_table.h"

namespace runner::ingest {

// The change of one incident by one step of the scheduler.
struct IncidentChange {
  std::string incident_id;
  std::optional<Incident> added;  // set for a new incident
  IncidentProgress progress;
  // Updated by duplicates while the incident is queued.
  std::uint32_t occurrences = 1;
  Severity severity = Severity::kWarning;
  WallTime last_seen;
};

// An incident as restored from the journal.
struct RestoredIncident {
  Incident incident;
  IncidentProgress progress;
};

// The number of appended steps.
using JournalPosition = std::uint64_t;

// Persists incidents. Append returns at once; a later commit covers all steps up to a position.
// Used on the loop thread only.
class IncidentJournal {
 public:
  struct Committed {
    JournalPosition position = 0;
    bool is_volatile = false;  // in memory only; lost in a crash
  };

  virtual ~IncidentJournal() = default;

  // Returns all incidents committed by earlier processes. Call once, before the first Append.
  virtual std::vector<RestoredIncident> Restore() = 0;
  // Appends the changes of one step, all or nothing.
  virtual JournalPosition Append(std::vector<IncidentChange> changes) = 0;
  virtual Committed committed() const = 0;
  // `on_commit` runs whenever committed() changes outside Append.
  virtual void OnCommit(std::function<void()> on_commit) = 0;

  // True if the journal is configured to persist but currently cannot write.
  virtual bool degraded() const = 0;
  // The number of failed writes.
  virtual std::uint64_t write_errors() const = 0;
};

// Keeps nothing: every change counts as committed at once, and as volatile.
class VolatileJournal final : public IncidentJournal {
 public:
  std::vector<RestoredIncident> Restore() override { return {}; }
  JournalPosition Append(std::vector<IncidentChange>) override { return ++position_; }
  Committed committed() const override { return {position_, true}; }
  void OnCommit(std::function<void()>) override {}
  bool degraded() const override { return false; }  // persistence was not configured
  std::uint64_t write_errors() const override { return 0; }

 private:
  JournalPosition position_ = 0;
};

}  // namespace runner::ingest
