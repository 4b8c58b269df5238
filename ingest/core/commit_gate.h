#pragma once

#include <deque>

#include "ingest/core/effects.h"
#include "ingest/core/incident_journal.h"

namespace runner::ingest {

// Keeps the world from hearing what the journal does not have yet: the effects of a step wait until
// its changes, and those of every step before it, are committed. So nobody can act on a decision
// that a crash would undo, and messages keep their order. Pure; not thread-safe.
class CommitGate {
 public:
  // `journal` outlives the gate.
  explicit CommitGate(IncidentJournal& journal) : journal_(journal) {}

  // Appends the changes of one step to the journal. Returns the effects, of earlier steps first,
  // that may be carried out now.
  Effects Pass(Effects step);
  // The same without a new step, when the journal has told of a commit.
  Effects Release();

  bool empty() const { return held_.empty(); }

 private:
  struct Held {
    JournalPosition after = 0;
    Effects effects;
  };

  IncidentJournal& journal_;
  JournalPosition appended_ = 0;
  std::deque<Held> held_;
};

}  // namespace runner::ingest
