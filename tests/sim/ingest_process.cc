#include "tests/sim/ingest_process.h"

#include <csignal>
#include <type_traits>
#include <utility>
#include <variant>

#include "tests/sim/scheduler_digest.h"

namespace runner::sim {
namespace {

using EventResult = ingest::Scheduler::EventResult;
using Disposition = ingest::Scheduler::Disposition;

constexpr std::string_view kName = "ingest";

// Returns the result of an event from its facts.
EventResult ResultOf(const ingest::Effects& effects) {
  EventResult result;
  for (const ingest::Effect& effect : effects) {
    const auto* fact = std::get_if<ingest::Fact>(&effect);
    if (fact == nullptr) continue;
    if (const auto* filtered = std::get_if<ingest::EventFiltered>(fact)) {
      return {Disposition::kFiltered, filtered->reason, filtered->incident_id};
    }
    if (std::holds_alternative<ingest::EventBreakerDropped>(*fact)) {
      return {.disposition = Disposition::kBreakerDropped};
    }
    if (const auto* queued = std::get_if<ingest::EventQueued>(fact)) {
      return {.disposition = Disposition::kQueued, .incident_id = queued->incident.id};
    }
  }
  return result;
}

// The lease that a decision ends; null if it ends none.
const Lease* LeaseEndedBy(const ingest::Effect& effect) {
  const auto* fact = std::get_if<ingest::Fact>(&effect);
  if (fact == nullptr) return nullptr;
  if (const auto* requeued = std::get_if<ingest::IncidentRequeued>(fact)) return &requeued->lease;
  const auto* finished = std::get_if<ingest::IncidentFinished>(fact);
  return finished == nullptr ? nullptr : &finished->lease;
}

// Returns a trace line for decisions that no message shows.
std::string LogLine(const ingest::Fact& fact) {
  if (const auto* queued = std::get_if<ingest::EventQueued>(&fact)) {
    return "queues " + queued->incident.id + " of " + queued->incident.event.cluster;
  }
  if (const auto* requeued = std::get_if<ingest::IncidentRequeued>(&fact)) {
    return "requeues " + TextOf(requeued->lease) + ": " + std::string(ToString(requeued->reason));
  }
  if (const auto* finished = std::get_if<ingest::IncidentFinished>(&fact)) {
    return "finishes " + TextOf(finished->lease) + " as " +
           std::string(ToString(finished->status)) + " " + finished->reason;
  }
  return "";
}

}  // namespace

IngestProcess::IngestProcess(Environment& env, Network& network, RunModel& runs,
                             SimulatedJournal& journal, ExternalObservations& observations,
                             const ingest::SchedulerOptions& options,
                             std::function<std::string()> new_id, std::function<void()> exited)
    : env_(env),
      network_(network),
      runs_(runs),
      model_(env, runs, options),
      journal_(journal),
      observations_(observations),
      timers_(env, [this] { model_.CheckKeepAlives(); }),
      exited_(std::move(exited)),
      loop_(
          options, timers_, journal, *this,
          [new_id = std::move(new_id)](WallTime) { return new_id(); }, Logger(), this) {
  network_.SetIngest(this);
  const std::vector<ingest::RestoredIncident> restored = journal_.Restore();
  observations_.OnRestored(restored);
  Feed([&] { model_.OnRestore(restored); }, [&] { loop_.Restore(); });
}

IngestProcess::~IngestProcess() {
  journal_.Crash();
  network_.SetIngest(nullptr);
}

// --- steps ----------------------------------------------------------------------------------

template <typename Before, typename Input>
std::invoke_result_t<Input> IngestProcess::Feed(Before before, Input input) {
  model_.BeginInput();
  before();
  last_reported_ = true;
  if constexpr (std::is_void_v<decltype(input())>) {
    input();
    last_reported_ = false;
  } else {
    auto result = input();
    last_reported_ = false;
    return result;
  }
}

void IngestProcess::BeforeStep() {
  // A timer, which the model does not receive, or a later step of the same input.
  if (!std::exchange(last_reported_, false)) model_.BeginInput();
}

void IngestProcess::AfterStep(const ingest::Effects& effects) {
  if (const auto cluster = std::exchange(event_of_, std::nullopt)) {
    const EventResult result = ResultOf(effects);
    if (result.disposition == Disposition::kQueued) queued_ = result.incident_id;
    model_.OnEvent(*cluster, result);
  }
  if (hello_) {
    // The Hello of a twin does not list the leases of its namesake.
    for (const ingest::Effect& effect : effects) {
      if (const Lease* lease = LeaseEndedBy(effect)) given_up_.insert(*lease);
    }
  }
  model_.OnEffects(effects);
}

void IngestProcess::OnCarriedOut(const ingest::Effect& effect) {
  observations_.OnReported(effect);
  // Only now the decision is committed: before, a crash of ingest would undo it.
  const Lease* ended = LeaseEndedBy(effect);
  if (ended != nullptr && given_up_.erase(*ended) != 0) runs_.TakenBack(*ended);
  if (const auto* to = std::get_if<ingest::ToExecutor>(&effect)) {
    // Ingest has no Accepted, but a run may exist.
    const auto* cancel = std::get_if<dispatch::Cancel>(&to->message);
    if (cancel != nullptr && cancel->reason == dispatch::CancelReason::kAcceptTimeout) {
      runs_.TakenBack(cancel->lease);
    }
  }
  if (const auto* fact = std::get_if<ingest::Fact>(&effect)) {
    if (!LogLine(*fact).empty()) env_.Note(kName, [&] { return LogLine(*fact); });
  }
}

// --- inputs ---------------------------------------------------------------------------------

bool IngestProcess::IsConfigured(ingest::ClusterIndex cluster) const {
  return scheduler().ClusterOf(scheduler().View(cluster).name).has_value();
}

void IngestProcess::SetClusters(const std::vector<ingest::ClusterOptions>& clusters) {
  if (loop_.draining()) return;
  model_.BeginInput();
  model_.OnClusters(clusters);
  env_.findings.Expect(loop_.SetClusters(clusters), Invariant::kClusters,
                       [] { return std::string("new clusters are rejected"); });
}

std::string IngestProcess::OnEvent(ingest::ClusterIndex cluster, FaultEvent event,
                                   bool backfilled) {
  if (!IsConfigured(cluster)) return "";
  const auto origin =
      backfilled ? ingest::Scheduler::Origin::kBackfill : ingest::Scheduler::Origin::kLive;
  event.received_at = timers_.Now().wall;
  queued_.clear();
  event_of_ = cluster;
  Feed([&] { model_.BeforeEvent(cluster, event, origin); },
       [&] { loop_.OnEvent(scheduler().View(cluster).name, event, backfilled); });
  return queued_;
}

void IngestProcess::OnInvalidEvent(ingest::ClusterIndex cluster, std::optional<Severity> severity) {
  if (!IsConfigured(cluster)) return;
  model_.BeginInput();
  loop_.OnEvent(scheduler().View(cluster).name, ingest::InvalidEvent{"json", "", severity}, false);
  model_.OnInvalid(cluster);
}

void IngestProcess::Cancel(const std::string& incident_id) {
  env_.Note(kName, [&] { return "receives Cancel for " + incident_id; });
  model_.OnCancel(
      Feed([&] { model_.BeforeCancel(incident_id); }, [&] { return loop_.Cancel(incident_id); }));
}

// AdminService rejects a rerun during a drain.
void IngestProcess::Rerun(const std::string& incident_id) {
  if (loop_.draining()) return;
  env_.Note(kName, [&] { return "receives Rerun for " + incident_id; });
  model_.OnRerun(
      Feed([&] { model_.BeforeRerun(incident_id); }, [&] { return loop_.Rerun(incident_id); }));
}

void IngestProcess::ResetBreaker() {
  Feed([&] { model_.OnResetBreaker(); }, [&] { loop_.ResetBreaker(); });
}

// --- the network ----------------------------------------------------------------------------

void IngestProcess::OnMessage(StreamId stream, const UpMessage& message) {
  const auto* hello = std::get_if<dispatch::Hello>(&message);
  const auto known = streams_.find(stream);
  if ((known == streams_.end()) != (hello != nullptr)) return;
  env_.Note(kName, [&] { return "receives " + std::to_string(stream) + ": " + TextOf(message); });
  streams_.insert_or_assign(stream, message);
  if (hello != nullptr) {
    hello_ = true;
    Feed([&] { model_.OnHello(stream, *hello); }, [&] { loop_.OnMessage(stream, message); });
    hello_ = false;
    return;
  }
  Deliver(stream, message);
  if (env_.Strikes(Fault::kRepeatMessage)) CheckRepeat(stream, message);
}

void IngestProcess::Deliver(StreamId stream, const UpMessage& message) {
  const Lease* lease = LeaseOf(message);
  const bool stale = lease != nullptr && !model_.IsCurrent(stream, *lease);
  const std::uint64_t before = stale ? DigestOf(scheduler()) : 0;
  Feed([&] { model_.OnMessage(stream, message); }, [&] { loop_.OnMessage(stream, message); });
  env_.findings.Expect(!stale || before == DigestOf(scheduler()), Invariant::kStaleChangesNothing,
                       [&] { return TextOf(message) + " has changed the state"; });
}

void IngestProcess::CheckRepeat(StreamId stream, const UpMessage& message) {
  if (exited_ == nullptr) return;
  const std::uint64_t before = DigestOf(scheduler());
  Feed([&] { model_.OnMessage(stream, message); }, [&] { loop_.OnMessage(stream, message); });
  env_.findings.Expect(before == DigestOf(scheduler()), Invariant::kRepeatChangesNothing,
                       [&] { return TextOf(message) + " has changed the state when repeated"; });
}

void IngestProcess::OnClosed(StreamId stream) {
  const auto closed = streams_.extract(stream);
  if (closed.empty()) return;
  env_.Note(kName, [&] { return "loses stream " + std::to_string(stream); });
  Feed([&] { model_.OnClosed(stream); }, [&] { loop_.OnStreamClosed(stream); });
  // A late message of an ended stream must change nothing.
  const bool hello = std::holds_alternative<dispatch::Hello>(closed.mapped());
  if (!hello && env_.Strikes(Fault::kRepeatMessage)) CheckRepeat(stream, closed.mapped());
}

void IngestProcess::Send(StreamId stream, const DownMessage& message) {
  if (!streams_.contains(stream)) return;
  env_.Note(kName, [&] { return "sends " + std::to_string(stream) + ": " + TextOf(message); });
  network_.SendDown(stream, message);
}

void IngestProcess::CloseSuperseded(StreamId stream) {
  env_.Note(kName, [&] { return "closes superseded stream " + std::to_string(stream); });
  if (streams_.erase(stream) != 0) network_.CloseByIngest(stream, true);
}

void IngestProcess::CancelSilent(StreamId stream) {
  env_.Note(kName, [&] { return "cancels silent stream " + std::to_string(stream); });
  if (streams_.erase(stream) != 0) network_.CloseByIngest(stream, false);
}

// --- drain ----------------------------------------------------------------------------------

void IngestProcess::Drain(Duration timeout) {
  env_.Note(kName, [] { return std::string("receives a termination signal"); });
  if (!loop_.draining()) model_.OnDrain();
  loop_.Drain(SIGTERM, timeout, [this] {
    if (const auto exited = std::exchange(exited_, nullptr)) exited();
  });
}

}  // namespace runner::sim
