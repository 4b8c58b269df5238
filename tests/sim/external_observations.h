#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ingest/core/effects.h"
#include "tests/sim/environment.h"
#include "tests/sim/simulated_journal.h"

namespace runner::sim {

// What ingest has reported to the outside, over all its processes. A crash may undo what was not
// reported; everything reported must stay true.
class ExternalObservations {
 public:
  ExternalObservations(Environment& env, const SimulatedJournal& journal)
      : env_(env), journal_(journal) {}

  // Ingest reports this effect now.
  void OnReported(const ingest::Effect& effect);
  // A new process of ingest starts with the incidents on the disk.
  void OnRestored(const std::vector<ingest::RestoredIncident>& restored) const;

 private:
  void On(const ingest::EventQueued& queued);
  void On(const ingest::ToExecutor& to);
  void On(const ingest::Fact& fact);
  void On(const dispatch::Offer& offer);
  void On(const dispatch::ResultAck& recorded);
  void On(const dispatch::Cancel& cancel);
  void On(const ingest::IncidentFinished& finished);
  template <typename Other>
  void On(const Other&) {}
  const ingest::IncidentProgress* OnDisk(const std::string& incident_id) const;

  Environment& env_;
  const SimulatedJournal& journal_;
  std::map<std::string, std::string> queued_;  // incident id -> rerun_of
  std::set<Lease> offered_;
  std::set<std::string> cancelled_;  // by an operator
  std::map<std::string, ingest::FinalStatus> finished_;
};

}  // namespace runner::sim
