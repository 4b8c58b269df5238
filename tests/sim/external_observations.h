#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ingest/core/effects.h"
#include "tests/sim/environment.h"
#include "tests/sim/simulated_journal.h"

namespace runner::sim {

// What the world was told by ingest, over all its lives. A crash may take back what nobody has
// heard; what was told stays true.
class ExternalObservations {
 public:
  ExternalObservations(Environment& env, const SimulatedJournal& journal)
      : env_(env), journal_(journal) {}

  // Ingest tells it now.
  void OnReported(const ingest::Effect& effect);
  // A new life of ingest begins with what is on the disk.
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
  std::map<std::string, std::string> queued_;  // with what it runs again
  std::set<Lease> offered_;
  std::set<std::string> cancelled_;  // by an operator
  std::map<std::string, ingest::FinalStatus> finished_;
};

}  // namespace runner::sim
