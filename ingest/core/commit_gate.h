#pragma once

#include <deque>

#include "ingest/core/effects.h"
#include "ingest/core/incident_journal.h"

namespace runner::ingest {

// Holds the effects of a step back until its changes, and those of every step before it, are
// committed. So no peer acts on a decision that a crash would undo, and messages keep their order.
// Pure; not thread-safe.
class CommitGate {
 public:
  // `journal` must outlive the gate.
  explicit CommitGate(IncidentJournal& journal) : journal_(journal) {}

  // Appends the changes of one step to the journal. Returns the effects that may be carried out
  // now; effects of earlier steps come first.
  Effects Pass(Effects step);
  // Returns the same without a new step. Call it when the journal reports a commit.
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
