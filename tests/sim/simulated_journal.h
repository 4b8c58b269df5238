#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ingest/core/incident_journal.h"
#include "tests/sim/environment.h"

namespace runner::sim {

// A journal on a simulated disk: appended steps are committed together, with a delay, in order. It
// outlives the processes of ingest; a crash loses what is not committed.
class SimulatedJournal final : public ingest::IncidentJournal {
 public:
  explicit SimulatedJournal(Environment& env) : env_(env) {}
  ~SimulatedJournal() override { env_.events.DropAllOf(this); }

  std::vector<ingest::RestoredIncident> Restore() override;
  ingest::JournalPosition Append(std::vector<ingest::IncidentChange> changes) override;
  Committed committed() const override { return {committed_, false}; }
  void OnCommit(std::function<void()> tell) override { tell_ = std::move(tell); }
  bool degraded() const override { return false; }
  std::uint64_t write_errors() const override { return 0; }

  // The process of ingest has ended.
  void Crash();
  // The committed incidents.
  const std::map<std::string, ingest::RestoredIncident>& disk() const { return disk_; }

 private:
  void Commit();

  Environment& env_;
  std::function<void()> tell_;
  std::map<std::string, ingest::RestoredIncident> disk_;
  std::vector<ingest::IncidentChange> pending_;
  bool writing_ = false;
  ingest::JournalPosition appended_ = 0;
  ingest::JournalPosition committed_ = 0;
};

}  // namespace runner::sim
