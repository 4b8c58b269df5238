#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "ingest/loop/ingest_loop.h"
#include "tests/sim/external_observations.h"
#include "tests/sim/network.h"
#include "tests/sim/process_timers.h"
#include "tests/sim/reference_model.h"
#include "tests/sim/simulated_journal.h"

namespace runner::sim {

// One process of ingest: the product's IngestLoop on simulated time, streams and disk, together
// with the reference model.
//
// The destructor simulates a crash: what the journal has not committed is lost.
class IngestProcess final : private IngestPort,
                            private ingest::ExecutorStreams,
                            private ingest::StepObserver {
 public:
  // `new_id` never repeats an id, not even in another process. `exited` is called once, from inside
  // a method; the caller must destroy the process later.
  IngestProcess(Environment& env, Network& network, RunModel& runs, SimulatedJournal& journal,
                ExternalObservations& observations, const ingest::SchedulerOptions& options,
                std::function<std::string()> new_id, std::function<void()> exited);
  ~IngestProcess() override;
  IngestProcess(const IngestProcess&) = delete;
  IngestProcess& operator=(const IngestProcess&) = delete;

  // The configuration was reloaded.
  void SetClusters(const std::vector<ingest::ClusterOptions>& clusters);
  // Returns the id of the incident that the event became, or "". IngestLoop drops events of a
  // removed cluster.
  std::string OnEvent(ingest::ClusterIndex cluster, FaultEvent event, bool backfilled = false);
  void OnInvalidEvent(ingest::ClusterIndex cluster, std::optional<Severity> severity);
  // Calls of operators.
  void Cancel(const std::string& incident_id);
  void ResetBreaker();
  void Rerun(const std::string& incident_id);
  // Sends a termination signal; the second one cancels at once.
  void Drain(Duration timeout);

  const ingest::Scheduler& scheduler() const { return loop_.scheduler(); }
  ReferenceModel& model() { return model_; }

 private:
  // From the network.
  void OnMessage(StreamId stream, const UpMessage& message) override;
  void OnClosed(StreamId stream) override;
  // From the loop.
  void Send(StreamId stream, const DownMessage& message) override;
  void CloseSuperseded(StreamId stream) override;
  void CancelSilent(StreamId stream) override;
  void BeforeStep() override;
  void AfterStep(const ingest::Effects& effects) override;
  void OnCarriedOut(const ingest::Effect& effect) override;

  // Applies an input that the model must know first.
  template <typename Before, typename Input>
  std::invoke_result_t<Input> Feed(Before before, Input input);
  void Deliver(StreamId stream, const UpMessage& message);
  void CheckRepeat(StreamId stream, const UpMessage& message);
  bool IsConfigured(ingest::ClusterIndex cluster) const;

  Environment& env_;
  Network& network_;
  RunModel& runs_;
  ReferenceModel model_;
  SimulatedJournal& journal_;
  ExternalObservations& observations_;
  ProcessTimers timers_;
  std::function<void()> exited_;
  // Streams that have sent Hello and have not ended, with the latest message of each.
  std::map<StreamId, UpMessage> streams_;
  bool last_reported_ = false;  // the model knows of this step
  std::optional<ingest::ClusterIndex> event_of_;
  std::string queued_;        // the incident queued by this step
  bool hello_ = false;        // this step handles a Hello
  std::set<Lease> given_up_;  // by a Hello, and not committed yet
  ingest::IngestLoop loop_;
};

}  // namespace runner::sim
