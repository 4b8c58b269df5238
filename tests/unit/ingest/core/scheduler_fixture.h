#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/core/invariants.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {

// A message to an executor, with its stream.
template <typename Message>
struct Sent : Message {
  StreamId stream = kNoStream;
};
using SendWelcome = Sent<dispatch::Welcome>;
using SendOffer = Sent<dispatch::Offer>;
using SendResultAck = Sent<dispatch::ResultAck>;
using SendCancel = Sent<dispatch::Cancel>;
using SendDrain = Sent<dispatch::Drain>;
using SendKeepAliveAck = Sent<dispatch::KeepAliveAck>;

// Selects effects of one kind: a message, a fact, or another effect.
template <typename T>
struct OfKind {
  static std::optional<T> In(const Effect& effect) {
    if constexpr (std::is_same_v<T, CloseSuperseded> || std::is_same_v<T, CancelSilent> ||
                  std::is_same_v<T, Persist>) {
      const T* one = std::get_if<T>(&effect);
      return one == nullptr ? std::nullopt : std::optional<T>(*one);
    } else {
      const auto* fact = std::get_if<Fact>(&effect);
      const T* one = fact == nullptr ? nullptr : std::get_if<T>(fact);
      return one == nullptr ? std::nullopt : std::optional<T>(*one);
    }
  }
};
template <typename Message>
struct OfKind<Sent<Message>> {
  static std::optional<Sent<Message>> In(const Effect& effect) {
    const auto* to = std::get_if<ToExecutor>(&effect);
    const Message* one = to == nullptr ? nullptr : std::get_if<Message>(&to->message);
    return one == nullptr ? std::nullopt : std::optional(Sent<Message>{*one, to->stream});
  }
};

// Drives a scheduler step by step and checks its invariants after every step.
class SchedulerDriver {
 public:
  explicit SchedulerDriver(SchedulerOptions options)
      : options_(std::move(options)), scheduler_(options_, [this](WallTime) {
          return "incident-" + std::to_string(++last_id_);
        }) {}

  static FaultEvent Fault(Severity severity = Severity::kCritical, std::string fault_id = "") {
    FaultEvent event;
    event.fault_id = std::move(fault_id);
    event.fault_type = "CrashLoop";
    event.severity = severity;
    event.resource = {"v1", "Pod", "pod", "default", "uid"};
    return event;
  }

  // --- inputs; each replaces the effects of the previous one ---
  Scheduler::EventResult Event(ClusterIndex cluster = 0, FaultEvent event = Fault(),
                               Scheduler::Origin origin = Scheduler::Origin::kLive) {
    event.received_at = now_.wall;
    return Step(
        [&] { return scheduler_.OnEvent(cluster, std::move(event), now_, effects_, origin); });
  }
  // Returns the id of a new incident.
  std::string Queue(ClusterIndex cluster = 0) { return Event(cluster).incident_id; }
  std::vector<std::string> Restore(std::vector<RestoredIncident> incidents) {
    return Step([&] { return scheduler_.Restore(std::move(incidents), now_, effects_); });
  }
  void Invalid(ClusterIndex cluster, const std::string& reason, std::optional<Severity> severity) {
    Step([&] { scheduler_.OnInvalidEvent(cluster, reason, severity); });
  }
  bool SetClusters(const std::vector<ClusterOptions>& clusters) {
    return Step([&] { return scheduler_.SetClusters(clusters); });
  }
  void Hello(StreamId stream, const dispatch::Hello& hello) {
    Step([&] { scheduler_.OnHello(stream, hello, now_, effects_); });
  }
  void Credits(StreamId stream, std::uint64_t total) {
    Step([&] { scheduler_.OnCredits(stream, total, now_, effects_); });
  }
  void Attach(StreamId stream, const std::string& id, std::uint32_t slots) {
    Hello(stream, HelloOf(id, slots));
    Credits(stream, slots);
  }
  void Accept(StreamId stream, const Lease& lease) {
    Step([&] { scheduler_.OnAccepted(stream, lease, effects_); });
  }
  void Reject(StreamId stream, const Lease& lease) {
    Step([&] {
      scheduler_.OnRejected(stream, lease, dispatch::RejectReason::kNoSlot, now_, effects_);
    });
  }
  void Started(StreamId stream, const Lease& lease) {
    Step([&] { scheduler_.OnStarted(stream, lease, now_, effects_); });
  }
  void Result(StreamId stream, const Lease& lease, RunStatus status = RunStatus::kSuccess) {
    Outcome outcome;
    outcome.status = status;
    Result(stream, lease, outcome);
  }
  void Result(StreamId stream, const Lease& lease, const Outcome& outcome) {
    Step([&] { scheduler_.OnResult(stream, lease, outcome, now_, effects_); });
  }
  void KeepAlive(StreamId stream, std::uint64_t seq) {
    Step([&] { scheduler_.OnKeepAlive(stream, seq, now_, effects_); });
  }
  void Draining(StreamId stream) {
    Step([&] { scheduler_.OnExecutorDraining(stream); });
  }
  void StreamClosed(StreamId stream) {
    Step([&] { scheduler_.OnStreamClosed(stream, now_, effects_); });
  }
  Scheduler::Cancelled Cancel(const std::string& incident_id) {
    return Step([&] { return scheduler_.Cancel(incident_id, now_, effects_); });
  }
  Scheduler::Rerun Rerun(const std::string& incident_id) {
    return Step([&] { return scheduler_.RerunIncident(incident_id, now_, effects_); });
  }
  void ResetBreaker() {
    Step([&] { scheduler_.ResetBreaker(now_, effects_); });
  }
  void BeginDrain() {
    Step([&] { scheduler_.BeginDrain(effects_); });
  }
  void CancelRunning() {
    Step([&] { scheduler_.CancelRunning(effects_); });
  }
  // Pass() sends the keep-alives of all executors, except on these streams.
  void Silence(StreamId stream) { silent_.insert(stream); }
  void Timer() {
    KeepAlive();
    Effects swept;
    if (scheduler_.BeginSweep(now_)) {
      for (bool more = true; more;) {
        more = Step([&] { return scheduler_.ExpireNext(now_, effects_); });
        swept.insert(swept.end(), effects_.begin(), effects_.end());
      }
    }
    Step([&] { scheduler_.OnTimer(now_, effects_); });
    effects_.insert(effects_.begin(), swept.begin(), swept.end());
  }
  void Pass(Duration time) {
    now_.mono += time;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(time);
  }
  void JumpWallClock(Duration by) {
    now_.wall += std::chrono::duration_cast<WallTime::duration>(by);
  }
  // Advances time and calls the timer at each deadline.
  void PassWithTimers(Duration time) {
    const MonoTime end = now_.mono + time;
    Effects all;
    for (auto next = scheduler_.NextDeadline(); next && *next <= end;
         next = scheduler_.NextDeadline()) {
      if (*next > now_.mono) Pass(*next - now_.mono);
      Timer();
      all.insert(all.end(), effects_.begin(), effects_.end());
    }
    Pass(end - now_.mono);
    effects_ = std::move(all);
  }

  static dispatch::Hello HelloOf(std::string id, std::uint32_t slots) {
    dispatch::Hello hello;
    hello.executor_id = std::move(id);
    hello.slots = slots;
    hello.sidecar = true;
    return hello;
  }

  // --- effects of the latest step ---
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const Effect& effect : effects_) {
      if (auto one = OfKind<T>::In(effect)) found.push_back(*std::move(one));
    }
    return found;
  }
  template <typename T>
  std::size_t Count() const {
    return All<T>().size();
  }
  // Returns the only effect of its kind.
  template <typename T>
  T Only() const {
    const std::vector<T> found = All<T>();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? T{} : found.front();
  }
  // All leases offered so far.
  const std::set<Lease>& offered() const { return offered_; }
  const Effects& effects() const { return effects_; }

  // --- views ---
  const Scheduler& scheduler() const { return scheduler_; }
  const Instant& now() const { return now_; }
  const SchedulerOptions& options() const { return options_; }
  const ClusterCounters& Counters(ClusterIndex cluster = 0) const {
    return scheduler_.View(cluster).counters;
  }
  std::size_t Depth(ClusterIndex cluster = 0) const { return scheduler_.View(cluster).depth; }
  std::size_t Leased(ClusterIndex cluster = 0) const { return scheduler_.View(cluster).leased; }
  const IncidentRecord& Record(const std::string& id) const {
    return *scheduler_.incidents().Find(id);
  }
  // The latest lease of an incident.
  Lease LeaseOf(const std::string& id) const { return {id, Record(id).attempt}; }
  std::uint64_t Finished(FinalStatus status, ClusterIndex cluster = 0) const {
    const auto found = Counters(cluster).finished.find(status);
    return found == Counters(cluster).finished.end() ? 0 : found->second;
  }

  // Checks the counting equations and the limits, and that the run-time check finds no violation.
  void CheckInvariants() const {
    for (const BrokenInvariant& broken : BrokenInvariants(scheduler_)) {
      ADD_FAILURE() << broken.cluster << " " << broken.name << ": " << broken.detail;
    }
    std::size_t leased_in_total = 0;
    for (ClusterIndex i = 0; i < scheduler_.cluster_count(); ++i) {
      const Scheduler::ClusterView view = scheduler_.View(i);
      const ClusterCounters& c = view.counters;
      const std::uint64_t received = std::accumulate(c.received.begin(), c.received.end(), 0ull);
      EXPECT_EQ(received,
                Sum(c.invalid) + Sum(c.filtered) + c.breaker_dropped + c.rejected + c.queued)
          << view.name;
      EXPECT_EQ(c.restored + c.queued + c.requeued,
                c.dequeued + c.expired + Sum(c.evicted) + view.depth)
          << view.name;
      EXPECT_EQ(c.restored + c.leases_restored + c.queued,
                Sum(c.finished) + view.depth + view.leased)
          << view.name;
      EXPECT_LE(view.leased, options_.max_agents_per_cluster) << view.name;
      leased_in_total += view.leased;
    }
    const LeaseTable& book = scheduler_.leases();
    EXPECT_LE(leased_in_total, options_.max_concurrent_agents);
    EXPECT_EQ(leased_in_total, book.leases().size());
    std::size_t leases_of_executors = 0;
    for (const auto& [id, executor] : book.executors()) {
      leases_of_executors += executor.leases.size();
      // A restored executor has no slots before its Hello.
      EXPECT_TRUE(!executor.attached() || executor.leases.size() <= executor.slots) << id;
      EXPECT_LE(executor.offers, executor.credits) << id;
    }
    EXPECT_EQ(leases_of_executors, book.leases().size());
    for (const auto& [id, held] : book.leases()) {
      const IncidentRecord* record = scheduler_.incidents().Find(id);
      ASSERT_NE(record, nullptr) << id;
      EXPECT_EQ(record->attempt, held.lease.attempt) << id;
      EXPECT_EQ(record->executor_id, held.executor_id) << id;
      const bool running = held.state == LeaseTable::LeaseState::kRunning;
      EXPECT_EQ(record->state, running ? IncidentState::kRunning : IncidentState::kOffered) << id;
    }
  }

 private:
  void KeepAlive() {
    for (const auto& [id, executor] : scheduler_.leases().executors()) {
      if (executor.attached() && !silent_.contains(executor.stream)) KeepAlive(executor.stream, 0);
    }
  }
  template <typename Input>
  std::invoke_result_t<Input> Step(Input input) {
    effects_.clear();
    if constexpr (std::is_void_v<std::invoke_result_t<Input>>) {
      input();
      CheckStep();
    } else {
      auto result = input();
      CheckStep();
      return result;
    }
  }
  void CheckStep() {
    CheckInvariants();
    for (const SendOffer& offer : All<SendOffer>()) {
      EXPECT_TRUE(offered_.insert(offer.lease).second) << "a lease was offered twice";
    }
    for (const IncidentFinished& finished : All<IncidentFinished>()) {
      EXPECT_TRUE(finished_.insert(finished.lease.incident_id).second) << "finished twice";
    }
  }
  template <typename Key>
  static std::uint64_t Sum(const CountsBy<Key>& counters) {
    std::uint64_t sum = 0;
    for (const auto& [word, count] : counters) sum += count;
    return sum;
  }

  const SchedulerOptions options_;
  Scheduler scheduler_;
  Effects effects_;
  Instant now_{MonoTime(std::chrono::hours(1)), WallTime(std::chrono::hours(500'000))};
  std::uint64_t last_id_ = 0;
  std::set<Lease> offered_;
  std::set<std::string> finished_;
  std::set<StreamId> silent_;
};

// Without deduplication and circuit breaker; tests of those enable them.
inline SchedulerOptions OptionsFor(std::size_t clusters) {
  SchedulerOptions options;
  for (std::size_t i = 0; i < clusters; ++i) {
    options.clusters.push_back({"c" + std::to_string(i), {}});
  }
  options.dedup.window = Duration::zero();
  options.breaker.threshold = 0;
  return options;
}
inline SchedulerOptions WithDuplicates(std::size_t clusters = 1) {
  SchedulerOptions options = OptionsFor(clusters);
  options.dedup.window = std::chrono::minutes(5);
  return options;
}

// A fault of this pod.
inline FaultEvent Pod(const std::string& name, Severity severity = Severity::kError) {
  FaultEvent event = SchedulerDriver::Fault(severity, "fault-" + name);
  event.resource.name = name;
  return event;
}

// The stream of the only executor.
inline constexpr StreamId kStream = 1;

}  // namespace runner::ingest
