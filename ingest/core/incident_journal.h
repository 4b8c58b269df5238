#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/incident.h"
#include "ingest/core/incident_table.h"

namespace runner::ingest {

// What a step of the scheduler changed of one incident.
struct IncidentChange {
  std::string incident_id;
  std::optional<Incident> added;  // when it is new
  IncidentProgress progress;
  // What duplicates add while it waits.
  std::uint32_t occurrences = 1;
  Severity severity = Severity::kWarning;
  WallTime last_seen;
};

// An incident as the journal knows it after a restart.
struct RestoredIncident {
  Incident incident;
  IncidentProgress progress;
};

// Counts the steps that were appended; 0 is before the first.
using JournalPosition = std::uint64_t;

// Where incidents outlive the process. Appending returns at once; a commit may come later and then
// covers everything up to a position. Belongs to the loop thread.
class IncidentJournal {
 public:
  struct Committed {
    JournalPosition position = 0;
    bool is_volatile = false;  // kept in memory only: it would not survive a crash
  };

  virtual ~IncidentJournal() = default;

  // Everything that was committed before this process began; once, before the first Append.
  virtual std::vector<RestoredIncident> Restore() = 0;
  // The changes of one step, all or nothing.
  virtual JournalPosition Append(std::vector<IncidentChange> changes) = 0;
  virtual Committed committed() const = 0;
  // `tell` runs whenever committed() has changed by itself, not inside Append.
  virtual void OnCommit(std::function<void()> tell) = 0;

  // Whether it should outlive the process and at present does not, since writing fails.
  virtual bool degraded() const = 0;
  // Writes that have failed.
  virtual std::uint64_t write_errors() const = 0;
};

// Keeps nothing beyond this process: every change counts as committed at once, and as volatile.
class VolatileJournal final : public IncidentJournal {
 public:
  std::vector<RestoredIncident> Restore() override { return {}; }
  JournalPosition Append(std::vector<IncidentChange>) override { return ++position_; }
  Committed committed() const override { return {position_, true}; }
  void OnCommit(std::function<void()>) override {}
  bool degraded() const override { return false; }  // no more was asked of it
  std::uint64_t write_errors() const override { return 0; }

 private:
  JournalPosition position_ = 0;
};

}  // namespace runner::ingest
