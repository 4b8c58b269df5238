#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingest/core/commit_gate.h"
#include "ingest/core/scheduler.h"
#include "tests/sim/incident_truth.h"
#include "tests/sim/network.h"
#include "tests/sim/promises.h"
#include "tests/sim/simulated_journal.h"

namespace runner::sim {

// One life of ingest's process: the scheduler, with the shell that stands around it in IngestLoop
// and DispatchService rebuilt on simulated time and streams.
//
// Destroying it is a crash: what is not in the journal is gone with it.
class IngestProcess final : public IngestPort {
 public:
  // `new_id` never repeats itself, also not in another life. `exited` is called once, from inside a
  // method: what destroys the process must come later.
  IngestProcess(Environment& env, Network& network, const RunTruth& runs, SimulatedJournal& journal,
                Promises& promises, const ingest::SchedulerOptions& options,
                std::function<std::string()> new_id, std::function<void()> exited);
  ~IngestProcess();
  IngestProcess(const IngestProcess&) = delete;
  IngestProcess& operator=(const IngestProcess&) = delete;

  // The file was read again.
  void SetClusters(const std::vector<ingest::ClusterOptions>& clusters);
  // The id of the incident, when the event became one. An event of a cluster that was removed gets
  // no further than the shell.
  std::string OnEvent(ingest::ClusterIndex cluster, FaultEvent event,
                      ingest::Scheduler::Origin origin = ingest::Scheduler::Origin::kLive);
  void OnInvalidEvent(ingest::ClusterIndex cluster, std::optional<Severity> severity);
  // What an operator asks for.
  void Cancel(const std::string& incident_id);
  void ResetBreaker();
  void Rerun(const std::string& incident_id);
  // A signal; the second one cancels at once.
  void Drain(Duration timeout);

  const ingest::Scheduler& scheduler() const { return scheduler_; }
  IncidentTruth& truth() { return truth_; }

 private:
  void OnMessage(StreamId stream, const UpMessage& message) override;
  void OnClosed(StreamId stream) override;

  template <typename Input>
  void Step(Input input);
  void Restore();
  void Deliver(StreamId stream, const UpMessage& message);
  void Feed(StreamId stream, const UpMessage& message, ingest::Effects& effects);
  void CheckRepeat(StreamId stream, const UpMessage& message);
  void CarryOut(const ingest::Effects& effects);
  void CarryOut(const ingest::Effect& effect);
  void AdvanceDrain();
  void RearmTimer();
  void OnTimer();
  void Sweep();
  void CheckInvariants();
  void CancelRunning();
  void FinishDrain();
  Instant Now() const { return env_.events.Now(); }

  Environment& env_;
  Network& network_;
  IncidentTruth truth_;
  ingest::Scheduler scheduler_;
  SimulatedJournal& journal_;
  Promises& promises_;
  ingest::CommitGate gate_;
  std::function<void()> exited_;
  // Those that have said Hello and have not ended, with what each has said last.
  std::map<StreamId, UpMessage> streams_;
  std::optional<EventQueue::Id> timer_;
  EventQueue::Id drain_timer_;
  bool draining_ = false;
  bool cancelled_ = false;
};

}  // namespace runner::sim
