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

// A second, slow and simple account of what one life of ingest has promised: which incidents exist,
// who waits in which order, who holds which lease, what each executor was told. It is fed with the
// inputs of the scheduler and with its decisions, and checks every decision against the rules.
class ReferenceModel {
 public:
  ReferenceModel(Environment& env, const RunModel& runs, ingest::SchedulerOptions options);

  // --- inputs, before the scheduler gets them ---
  void BeginInput();
  void OnHello(ingest::StreamId stream, const dispatch::Hello& hello);
  void OnMessage(ingest::StreamId stream, const UpMessage& message);
  void OnClosed(ingest::StreamId stream);
  void OnDrain() { draining_ = true; }
  void OnClusters(const std::vector<ingest::ClusterOptions>& clusters);
  // What the journal knows; before every other input of this life.
  void OnRestore(const std::vector<ingest::RestoredIncident>& restored);
  // When ingest has heard the latest keep-alive, or Hello, on this stream, if it is attached.
  std::optional<MonoTime> ReceivedOn(ingest::StreamId stream) const;
  // What must become of this event; checked by OnEvent, below.
  void BeforeEvent(ingest::ClusterIndex cluster, const FaultEvent& event,
                   ingest::Scheduler::Origin origin);
  // What must become of the incident; checked by OnCancel and by what is decided.
  void BeforeCancel(const std::string& incident_id);
  // What must become of it; checked by OnRerun and by what is decided.
  void BeforeRerun(const std::string& incident_id);
  void OnResetBreaker() { breaker_.Reset(); }
  // Peers whose word on runs is worth nothing.
  void Distrust(const std::string& executor_id) { rogues_.insert(executor_id); }

  // --- what came of it ---
  void OnEvent(ingest::ClusterIndex cluster, const ingest::Scheduler::EventResult& result);
  void OnInvalid(ingest::ClusterIndex cluster) { ++clusters_[cluster].invalid; }
  void OnCancel(ingest::Scheduler::Cancelled answer) const;
  void OnRerun(const ingest::Scheduler::Rerun& answer);
  void OnEffects(const ingest::Effects& effects);
  // The timer of ingest has run: what was due at this moment is done.
  void CheckKeepAlives() const;
  // The state of the scheduler is this one, and no limit or time is passed. After every step.
  void Compare(const ingest::Scheduler& scheduler) const;

  bool IsCurrent(ingest::StreamId stream, const Lease& lease) const;
  bool draining() const { return draining_; }
  bool Configured(ingest::ClusterIndex cluster) const { return clusters_[cluster].configured; }
  std::size_t open() const { return open_.size(); }
  std::vector<std::string> OpenIds() const;
  const std::set<Lease>& offered() const { return offered_; }
  // How an incident ended, or nothing while it is open.
  std::optional<ingest::FinalStatus> EndOf(const std::string& incident_id) const;

 private:
  enum class State { kQueued, kOffered, kRunning };
  struct Open {
    ingest::ClusterIndex cluster = 0;
    std::string key;  // of duplicates
    Severity severity = Severity::kWarning;
    std::uint32_t occurrences = 1;
    State state = State::kQueued;
    MonoTime since;     // queued or offered
    Duration waited{};  // in earlier times in the queue
    std::uint32_t attempt = 0;
    std::string executor;
    bool started = false;
    bool ever_started = false;
    std::uint32_t lost = 0;
    std::uint32_t interrupted = 0;
    std::uint32_t unstarted = 0;
    bool cancelled = false;  // by an operator: nothing more is tried
  };
  struct Cluster {
    std::string name;
    bool configured = true;
    std::deque<std::string> queue;  // as it was filled; the critical ones go first
    std::size_t leased = 0;
    // By other clusters, how often they were offered while this one could have been.
    std::map<ingest::ClusterIndex, int> passed_over;
    std::uint64_t received = 0, invalid = 0, filtered = 0, dropped = 0, rejected = 0, queued = 0,
                  restored = 0, leases_restored = 0, requeued = 0, dequeued = 0, expired = 0,
                  evicted = 0, finished = 0;
  };
  // An incident that ended.
  struct Ended {
    ingest::FinalStatus status = ingest::FinalStatus::kFailure;
    ingest::ClusterIndex cluster = 0;
    std::string key;
    Severity severity = Severity::kWarning;
    std::size_t place = 0;  // in the order of ends, from 1
  };
  // What must become of an event.
  struct Disposition {
    ingest::Scheduler::Disposition result = ingest::Scheduler::Disposition::kQueued;
    std::optional<ingest::FilterReason> filter_reason;
    std::string duplicate_of;
    // It is above the level of its key: it escalates this incident, unless it is backfilled.
    bool above = false;
    std::string escalates;
    std::string rerun_of;
    bool evicts = false;
    bool either = false;  // rejected as well: the longest queues are not alike
    std::vector<ingest::ClusterIndex> victims;  // one of these has to make room
    Severity severity = Severity::kWarning;
    std::string key;
  };
  struct Executor {
    ingest::StreamId stream = ingest::kNoStream;
    MonoTime alive_at;  // its Hello or its latest keep-alive
    MonoTime detached_at;
    std::uint32_t slots = 0;
    std::uint32_t brought = 0;  // leases that its Hello kept
    std::uint64_t credits = 0;
    std::uint64_t offers = 0;
    std::size_t leases = 0;
    bool draining = false;
    int delays = 0;                         // since the latest start of a run
    MonoTime delayed_at = MonoTime::min();  // the latest
    MonoTime next_offer;                    // not before
    // As many offers as it may be made.
    std::size_t Free(MonoTime now) const;
    // It has rejected an offer. Offers from before a delay belong to that delay.
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
  // Whose turn it is in this queue, which is not empty.
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
  // Whether this release uses up the attempts.
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
  // Whether an incident that ended so keeps its key for a while.
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

  ingest::StreamId stream_ = ingest::kNoStream;  // that of the message that is looked at

  // Of the present input.
  std::optional<Disposition> disposition_;  // of an event or a rerun
  ingest::Scheduler::Rerun rerun_;          // what must be answered
  bool escalated_ = false;                  // as was decided
  std::string cancel_;                      // the incident that an operator names
  std::optional<State> cancel_state_;       // of it; nothing: it is not open
  std::optional<Lease> result_of_;          // a Result with a current lease
  std::optional<RunStatus> result_status_;  // of it
  bool result_ran_ = false;                 // of it: an agent had started
  bool result_lost_ = false;                // of it: its executor died
  bool shortage_ = false;  // of it: its executor was short of resources, before an agent started
  bool rejected_ = false;  // a Rejected with a current lease
  std::map<ingest::ClusterIndex, std::string> requeued_;  // the latest of each cluster
  std::vector<std::pair<Lease, bool>> expected_decisions_;
  ingest::StreamId expected_close_ = ingest::kNoStream;
  std::vector<Lease> unlisted_;
  bool evicted_ = false;
  std::string_view breaker_before_ = "closed";
};

}  // namespace runner::sim
