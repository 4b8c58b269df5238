#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ingest/core/scheduler.h"
#include "tests/sim/environment.h"
#include "tests/sim/message.h"
#include "tests/sim/run_truth.h"

namespace runner::sim {

// A second, slow and simple account of what one life of ingest has promised: which incidents exist,
// who waits in which order, who holds which lease, what each executor was told. It is fed with the
// inputs of the scheduler and with its decisions, and checks every decision against the rules.
class IncidentTruth {
 public:
  IncidentTruth(Environment& env, const RunTruth& runs, ingest::SchedulerOptions options);

  // --- inputs, before the scheduler gets them ---
  void BeginInput(std::string_view cause);
  void OnHello(ingest::StreamId stream, const ingest::HelloInfo& hello);
  void OnMessage(ingest::StreamId stream, const UpMessage& message);
  void OnClosed(ingest::StreamId stream);
  void OnDrain() { draining_ = true; }
  // Peers whose word on runs is worth nothing.
  void Distrust(const std::string& executor_id) { rogues_.insert(executor_id); }

  // --- what came of it ---
  void OnEvent(ingest::ClusterIndex cluster, Severity severity,
               const ingest::Scheduler::Admission& admission);
  void OnInvalid(ingest::ClusterIndex cluster) { ++clusters_[cluster].invalid; }
  void OnEffects(const ingest::Effects& effects);
  // The state of the scheduler is this one, and no limit or time is passed. After every step.
  void Compare(const ingest::Scheduler& scheduler) const;

  bool IsCurrent(ingest::StreamId stream, const Lease& lease) const;
  bool draining() const { return draining_; }
  std::size_t open() const { return open_.size(); }
  const std::set<Lease>& offered() const { return offered_; }
  // How an incident ended, or nothing while it is open.
  std::optional<std::string> EndOf(const std::string& incident_id) const;

 private:
  enum class State { kQueued, kOffered, kRunning };
  struct Open {
    ingest::ClusterIndex cluster = 0;
    State state = State::kQueued;
    MonoTime since;     // queued or offered
    Duration waited{};  // in earlier times in the queue
    std::uint32_t attempt = 0;
    std::string executor;
    bool started = false;
    std::uint32_t lost = 0;
    std::uint32_t interrupted = 0;
  };
  struct Cluster {
    std::string name;
    std::deque<std::string> queue;
    std::size_t leased = 0;
    std::uint64_t received = 0, invalid = 0, filtered = 0, rejected = 0, queued = 0, requeued = 0,
                  dequeued = 0, expired = 0, evicted = 0, finished = 0;
  };
  struct Executor {
    ingest::StreamId stream = ingest::kNoStream;
    MonoTime detached_at;
    std::uint32_t slots = 0;
    std::uint64_t credits = 0;
    std::uint64_t offers = 0;
    std::size_t leases = 0;
    bool draining = false;
    // As many offers as it may be made.
    std::size_t Free() const;
  };

  void Decided(const ingest::SendWelcome& welcome);
  void Decided(const ingest::CloseSuperseded& close);
  void Decided(const ingest::SendOffer& offer);
  void Decided(const ingest::SendRecorded& recorded);
  void Decided(const ingest::EventQueued& queued);
  void Decided(const ingest::IncidentLeased& leased);
  void Decided(const ingest::IncidentRequeued& requeued);
  void Decided(const ingest::IncidentFinished& finished);
  template <typename Other>
  void Decided(const Other&) {}

  void CheckOffer(const ingest::SendOffer& offer, const Open& incident) const;
  void EndQueued(const std::string& id, const Open& incident,
                 const ingest::IncidentFinished& finished);
  void EndHeld(const Open& incident, const ingest::IncidentFinished& finished);
  // Whether this release uses up the attempts.
  bool CountRelease(Open& incident) const;
  void Release(Open& incident);
  void Transit(const Open* from, std::string_view to) const;
  Open* Held(const Lease& lease);
  Executor* Of(ingest::StreamId stream);
  Duration Waited(const Open& incident) const;

  void CompareCluster(const ingest::Scheduler& scheduler, ingest::ClusterIndex index) const;
  void CompareLeases(const ingest::Scheduler& scheduler) const;
  void CompareExecutors(const ingest::Scheduler& scheduler) const;
  void CheckTimes() const;
  void CheckWork() const;

  template <typename Compose>
  void Expect(bool holds, Invariant invariant, Compose compose) const {
    env_.findings.Expect(holds, invariant, compose);
  }

  Environment& env_;
  const RunTruth& runs_;
  const ingest::SchedulerOptions options_;
  std::vector<Cluster> clusters_;
  std::map<std::string, Open> open_;
  std::unordered_map<std::string, std::string> ended_;  // with the status
  std::set<Lease> offered_;
  std::map<std::string, Executor> executors_;
  std::map<ingest::StreamId, std::string> executor_of_;
  std::set<std::string> rogues_;
  bool draining_ = false;

  // Of the present input.
  std::string_view cause_;
  std::optional<Lease> result_of_;          // a Result with a current lease
  std::optional<RunStatus> result_status_;  // of it
  std::vector<std::pair<Lease, bool>> expected_decisions_;
  ingest::StreamId expected_close_ = ingest::kNoStream;
  std::vector<Lease> unlisted_;
  bool evicted_ = false;
};

}  // namespace runner::sim
