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
#include "tests/sim/rules.h"
#include "tests/sim/run_model.h"

namespace runner::sim {

// A second, simple and slow implementation of the rules, for one process of ingest: which incidents
// exist, the order of the queues, the holders of leases, what executors were sent. It receives the
// inputs and the decisions of the scheduler and checks every decision.
class ReferenceModel {
 public:
  ReferenceModel(Environment& env, const RunModel& runs, ingest::SchedulerOptions options);

  // --- inputs; call before the scheduler receives them ---
  void BeginInput();
  void OnHello(ingest::StreamId stream, const dispatch::Hello& hello);
  void OnMessage(ingest::StreamId stream, const UpMessage& message);
  void OnClosed(ingest::StreamId stream);
  void OnDrain() { draining_ = true; }
  void OnClusters(const std::vector<ingest::ClusterOptions>& clusters);
  // The restored incidents; before every other input of this process.
  void OnRestore(const std::vector<ingest::RestoredIncident>& restored);
  // When ingest received the latest keep-alive or Hello on this stream, if it is attached.
  std::optional<MonoTime> ReceivedOn(ingest::StreamId stream) const;
  // Computes the expected result of the event; OnEvent, below, checks it.
  void BeforeEvent(ingest::ClusterIndex cluster, const FaultEvent& event,
                   ingest::Scheduler::Origin origin);
  // Computes the expected result of the cancel; OnCancel and the decisions are checked against it.
  void BeforeCancel(const std::string& incident_id);
  // Computes the expected result of the rerun; OnRerun and the decisions are checked against it.
  void BeforeRerun(const std::string& incident_id);
  void OnResetBreaker() { breaker_.Reset(); }
  // Marks a peer whose reports about runs are not reliable.
  void Distrust(const std::string& executor_id) { rogues_.insert(executor_id); }

  // --- results ---
  void OnEvent(ingest::ClusterIndex cluster, const ingest::Scheduler::EventResult& result);
  void OnInvalid(ingest::ClusterIndex cluster) { ++clusters_[cluster].invalid; }
  void OnCancel(ingest::Scheduler::Cancelled answer) const;
  void OnRerun(const ingest::Scheduler::Rerun& answer);
  void OnEffects(const ingest::Effects& effects);
  // The timer of ingest has run: everything due now must be done.
  void CheckKeepAlives() const;
  // Checks that the scheduler has the state of the model and exceeds no limit or deadline. Call
  // after every step.
  void Compare(const ingest::Scheduler& scheduler) const;

  bool IsCurrent(ingest::StreamId stream, const Lease& lease) const;
  bool draining() const { return draining_; }
  bool Configured(ingest::ClusterIndex cluster) const { return clusters_[cluster].configured; }
  std::size_t open() const { return open_.size(); }
  std::vector<std::string> OpenIds() const;
  const std::set<Lease>& offered() const { return offered_; }
  // The final status of an incident, or nothing while it is open.
  std::optional<ingest::FinalStatus> EndOf(const std::string& incident_id) const;

 private:
  enum class State { kQueued, kOffered, kRunning };
  struct Open {
    ingest::ClusterIndex cluster = 0;
    std::string key;  // deduplication key
    Severity severity = Severity::kWarning;
    std::uint32_t occurrences = 1;
    State state = State::kQueued;
    MonoTime since;     // of `state`: queued or offered
    Duration waited{};  // during earlier stays in the queue
    std::uint32_t attempt = 0;
    std::string executor;
    bool started = false;
    bool ever_started = false;
    std::uint32_t lost = 0;
    std::uint32_t interrupted = 0;
    std::uint32_t unstarted = 0;
    bool cancelled = false;  // by an operator: no further attempt
  };
  struct Cluster {
    std::string name;
    bool configured = true;
    std::deque<std::string> queue;  // in the order of insertion; critical ones are leased first
    std::size_t leased = 0;
    // How often each other cluster received an offer while this cluster was eligible.
    std::map<ingest::ClusterIndex, int> passed_over;
    std::uint64_t received = 0, invalid = 0, filtered = 0, dropped = 0, rejected = 0, queued = 0,
                  restored = 0, leases_restored = 0, requeued = 0, dequeued = 0, expired = 0,
                  evicted = 0, finished = 0;
  };
  // An incident that has ended.
  struct Ended {
    ingest::FinalStatus status = ingest::FinalStatus::kFailure;
    ingest::ClusterIndex cluster = 0;
    std::string key;
    Severity severity = Severity::kWarning;
    std::size_t place = 0;  // number in the order of ends, from 1
  };
  // The expected disposition of an event.
  struct Disposition {
    ingest::Scheduler::Disposition result = ingest::Scheduler::Disposition::kQueued;
    std::optional<ingest::FilterReason> filter_reason;
    std::string duplicate_of;
    // Its severity is above the level of its key: it escalates this incident, unless it is
    // backfilled.
    bool above = false;
    std::string escalates;
    std::string rerun_of;
    bool evicts = false;
    bool either = false;                        // may also be rejected: the longest queues differ
    std::vector<ingest::ClusterIndex> victims;  // one of these clusters must evict
    Severity severity = Severity::kWarning;
    std::string key;
  };
  struct Executor {
    ingest::StreamId stream = ingest::kNoStream;
    MonoTime alive_at;  // its Hello or its latest keep-alive
    MonoTime detached_at;
    std::uint32_t slots = 0;
    std::uint32_t brought = 0;  // leases kept by its Hello
    std::uint64_t credits = 0;
    std::uint64_t offers = 0;
    std::size_t leases = 0;
    bool draining = false;
    int delays = 0;                         // since the latest start of a run
    MonoTime delayed_at = MonoTime::min();  // start of the latest delay
    MonoTime next_offer;                    // earliest time of the next offer
    // The number of offers that it may receive.
    std::size_t Free(MonoTime now) const;
    // It rejected an offer. Offers from before a delay do not start another one.
    void Reject(MonoTime offered_at, MonoTime now);
  };

  void Decided(const ingest::ToExecutor& to);
  void Decided(const ingest::Fact& fact);
  void Decided(const dispatch::Welcome& welcome);
  void Decided(const ingest::CloseSuperseded& close);
  void Decided(const ingest::CancelSilent& cancel);
  void Decided(const dispatch::Offer& offer);
  void Decided(const dispatch::ResultAck& recorded);
  void Decided(const dispatch::Cancel& cancel);
  void Decided(const ingest::EventEscalated& escalated);
  void Decided(const ingest::EventQueued& queued);
  void Decided(const ingest::IncidentLeased& leased);
  void Decided(const ingest::IncidentRequeued& requeued);
  void Decided(const ingest::IncidentFinished& finished);
  void Decided(const ingest::BreakerChanged& changed);
  template <typename Other>
  void Decided(const Other&) {}

  Disposition DispositionOf(ingest::ClusterIndex cluster, const FaultEvent& event,
                            ingest::Scheduler::Origin origin);
  Invariant InvariantOf(const Disposition& disposition) const;
  void JudgeRoom(ingest::ClusterIndex cluster, Disposition& disposition) const;
  static bool Critical(const Open& incident) { return incident.severity == Severity::kCritical; }
  // The next incident of this queue, which must not be empty.
  const std::string& Next(const Cluster& cluster) const;
  bool Eligible(const Cluster& cluster) const;
  void CountTurns(ingest::ClusterIndex offered);
  void ForgetTurns();
  void CheckOffer(const dispatch::Offer& offer, const Open& incident) const;
  void CheckLimits(const dispatch::Offer& offer, const Cluster& cluster) const;
  void CheckVictim(const std::string& id, const Open& incident) const;
  void EndQueued(const std::string& id, const Open& incident,
                 const ingest::IncidentFinished& finished);
  void EndHeld(const Open& incident, const ingest::IncidentFinished& finished);
  // Counts the release; returns true if the attempts are exhausted.
  bool CountRelease(Open& incident) const;
  void Release(const std::string& id, Open& incident, std::string_view how);
  void Transit(const Open* from, std::string_view to) const;
  void TransitLease(std::string_view from, std::string_view to) const {
    env_.transitions.Count("lease", from, to);
  }
  std::string_view LeaseState(const Open& incident) const;
  void Accept(Open& incident);
  Open* Held(const Lease& lease);
  Executor* Of(ingest::StreamId stream);
  Duration Waited(const Open& incident) const;
  void Remember(const std::string& id, Ended ended);
  // Returns true if an incident with this result keeps its key for the window.
  static bool Investigated(std::optional<ingest::FinalStatus> status, bool ever_started);

  void CompareCluster(const ingest::Scheduler& scheduler, ingest::ClusterIndex index) const;
  void CompareLeases(const ingest::Scheduler& scheduler) const;
  void CompareExecutors(const ingest::Scheduler& scheduler) const;
  void CompareBreaker(const ingest::Scheduler& scheduler) const;
  void CheckTimes() const;
  void CheckWork() const;

  template <typename Compose>
  void Expect(bool holds, Invariant invariant, Compose compose) const {
    env_.findings.Expect(holds, invariant, compose);
  }

  Environment& env_;
  const RunModel& runs_;
  const ingest::SchedulerOptions options_;
  std::vector<ingest::EventFilter> filters_;
  DedupRule dedup_;
  BreakerRule breaker_;
  RateRule rate_;
  std::vector<Cluster> clusters_;
  std::map<std::string, Open> open_;
  std::unordered_map<std::string, Ended> ended_;
  std::set<Lease> offered_;
  std::map<std::string, Executor> executors_;
  std::map<ingest::StreamId, std::string> executor_of_;
  std::set<std::string> rogues_;
  bool draining_ = false;

  ingest::StreamId stream_ = ingest::kNoStream;  // of the message being handled

  // The current input.
  std::optional<Disposition> disposition_;  // of an event or a rerun
  ingest::Scheduler::Rerun rerun_;          // the expected response
  bool escalated_ = false;                  // the scheduler has decided so
  std::string cancel_;                      // the incident that an operator cancels
  std::optional<State> cancel_state_;       // its state; nothing: it is not open
  std::optional<Lease> result_of_;          // the lease of a Result, if current
  std::optional<RunStatus> result_status_;  // of that Result
  bool result_ran_ = false;                 // its agent had started
  bool result_lost_ = false;                // its executor died
  bool shortage_ = false;  // its executor lacked resources before the agent started
  bool rejected_ = false;  // a Rejected with a current lease
  std::map<ingest::ClusterIndex, std::string> requeued_;  // the latest of each cluster
  std::vector<std::pair<Lease, bool>> expected_decisions_;
  ingest::StreamId expected_close_ = ingest::kNoStream;
  std::vector<Lease> unlisted_;
  bool evicted_ = false;
  std::string_view breaker_before_ = "closed";
};

}  // namespace runner::sim
