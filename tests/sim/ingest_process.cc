#include "tests/sim/ingest_process.h"

#include <utility>
#include <variant>
#include <vector>

#include "ingest/core/invariants.h"
#include "tests/sim/scheduler_digest.h"

namespace runner::sim {
namespace {

constexpr std::string_view kName = "ingest";

// The log lines of a decision, as far as no message tells them.
std::string LogLine(const ingest::Effect& effect) {
  if (const auto* queued = std::get_if<ingest::EventQueued>(&effect)) {
    return "queues " + queued->incident.id + " of " + queued->incident.event.cluster;
  }
  if (const auto* requeued = std::get_if<ingest::IncidentRequeued>(&effect)) {
    return "requeues " + TextOf(requeued->lease) + ": " + requeued->reason;
  }
  if (const auto* finished = std::get_if<ingest::IncidentFinished>(&effect)) {
    return "finishes " + TextOf(finished->lease) + " as " + finished->status + " " +
           finished->reason;
  }
  return "";
}

}  // namespace

IngestProcess::IngestProcess(Environment& env, Network& network, const RunTruth& runs,
                             SimulatedJournal& journal, Promises& promises,
                             const ingest::SchedulerOptions& options,
                             std::function<std::string()> new_id, std::function<void()> exited)
    : env_(env),
      network_(network),
      truth_(env, runs, options),
      scheduler_(options, [new_id = std::move(new_id)](WallTime) { return new_id(); }),
      journal_(journal),
      promises_(promises),
      gate_(journal),
      exited_(std::move(exited)) {
  network_.SetIngest(this);
  journal_.OnCommit([this] {
    CarryOut(gate_.Release());
    AdvanceDrain();
  });
  Restore();
}

void IngestProcess::Restore() {
  const std::vector<ingest::RestoredIncident> restored = journal_.Restore();
  promises_.OnRestored(restored);
  Step([&](ingest::Effects& effects) {
    truth_.OnRestore(restored);
    scheduler_.Restore(restored, Now(), effects);
  });
  OnTimer();
}

IngestProcess::~IngestProcess() {
  env_.events.DropAllOf(this);
  journal_.Crash();
  network_.SetIngest(nullptr);
}

template <typename Input>
void IngestProcess::Step(Input input) {
  ingest::Effects effects;
  truth_.BeginInput();
  input(effects);
  truth_.OnEffects(effects);
  CarryOut(gate_.Pass(std::move(effects)));
  RearmTimer();
  AdvanceDrain();
}

void IngestProcess::AdvanceDrain() {
  if (draining_ && scheduler_.SidecarLeases() == 0 && gate_.empty()) FinishDrain();
}

// --- inputs ---------------------------------------------------------------------------------

void IngestProcess::SetClusters(const std::vector<ingest::ClusterOptions>& clusters) {
  if (draining_) return;
  Step([&](ingest::Effects&) {
    truth_.OnClusters(clusters);
    const bool set = scheduler_.SetClusters(clusters);
    env_.findings.Expect(set, Invariant::kClusters,
                         [] { return std::string("other clusters are refused"); });
  });
}

std::string IngestProcess::OnEvent(ingest::ClusterIndex cluster, FaultEvent event,
                                   ingest::Scheduler::Origin origin) {
  if (!scheduler_.ClusterOf(scheduler_.View(cluster).name)) return "";
  std::string incident_id;
  event.received_at = Now().wall;
  Step([&](ingest::Effects& effects) {
    truth_.BeforeEvent(cluster, event, origin);
    const auto admission = scheduler_.OnEvent(cluster, std::move(event), Now(), effects, origin);
    if (admission.result == ingest::Scheduler::Admission::Result::kQueued) {
      incident_id = admission.incident_id;
    }
    truth_.OnEvent(cluster, admission);
  });
  return incident_id;
}

void IngestProcess::OnInvalidEvent(ingest::ClusterIndex cluster, std::optional<Severity> severity) {
  if (!scheduler_.ClusterOf(scheduler_.View(cluster).name)) return;
  Step([&](ingest::Effects&) {
    scheduler_.OnInvalidEvent(cluster, "json", severity);
    truth_.OnInvalid(cluster);
  });
}

void IngestProcess::Cancel(const std::string& incident_id) {
  env_.Tell(kName, [&] { return "is asked to cancel " + incident_id; });
  Step([&](ingest::Effects& effects) {
    truth_.BeforeCancel(incident_id);
    truth_.OnCancel(scheduler_.Cancel(incident_id, Now(), effects));
  });
}

// One that drains refuses it.
void IngestProcess::Rerun(const std::string& incident_id) {
  if (draining_) return;
  env_.Tell(kName, [&] { return "is asked to run " + incident_id + " again"; });
  Step([&](ingest::Effects& effects) {
    truth_.BeforeRerun(incident_id);
    truth_.OnRerun(scheduler_.RerunIncident(incident_id, Now(), effects));
  });
}

void IngestProcess::ResetBreaker() {
  Step([&](ingest::Effects& effects) {
    truth_.OnResetBreaker();
    scheduler_.ResetBreaker(Now(), effects);
  });
}

void IngestProcess::OnMessage(StreamId stream, const UpMessage& message) {
  if (const auto* hello = std::get_if<ingest::HelloInfo>(&message)) {
    if (!streams_.emplace(stream, Beat{}).second) return;
    env_.Tell(kName, [&] { return "hears " + std::to_string(stream) + ": " + TextOf(message); });
    Step([&](ingest::Effects& effects) {
      truth_.OnHello(stream, *hello);
      scheduler_.OnHello(stream, *hello, Now(), effects);
    });
    return;
  }
  if (!streams_.contains(stream)) return;
  env_.Tell(kName, [&] { return "hears " + std::to_string(stream) + ": " + TextOf(message); });
  streams_.at(stream) = message;
  Deliver(stream, message);
  if (env_.Strikes(Fault::kRepeatMessage)) CheckRepeat(stream, message);
}

void IngestProcess::Deliver(StreamId stream, const UpMessage& message) {
  const Lease* lease = LeaseOf(message);
  const bool stale = lease != nullptr && !truth_.IsCurrent(stream, *lease);
  const std::uint64_t before = stale ? DigestOf(scheduler_) : 0;
  Step([&](ingest::Effects& effects) {
    truth_.OnMessage(stream, message);
    Feed(stream, message, effects);
  });
  env_.findings.Expect(!stale || before == DigestOf(scheduler_), Invariant::kStaleChangesNothing,
                       [&] { return TextOf(message) + " has changed something"; });
}

void IngestProcess::Feed(StreamId stream, const UpMessage& message, ingest::Effects& effects) {
  if (const auto* credits = std::get_if<Credits>(&message)) {
    scheduler_.OnCredits(stream, credits->total, Now(), effects);
  } else if (const auto* accepted = std::get_if<Accepted>(&message)) {
    scheduler_.OnAccepted(stream, accepted->lease, effects);
  } else if (const auto* rejected = std::get_if<Rejected>(&message)) {
    scheduler_.OnRejected(stream, rejected->lease, rejected->reason, Now(), effects);
  } else if (const auto* started = std::get_if<Started>(&message)) {
    scheduler_.OnStarted(stream, started->lease, Now(), effects);
  } else if (const auto* result = std::get_if<Result>(&message)) {
    scheduler_.OnResult(stream, result->lease, result->outcome, Now(), effects);
  } else if (const auto* beat = std::get_if<Beat>(&message)) {
    scheduler_.OnBeat(stream, beat->seq, Now(), effects);
  } else if (std::holds_alternative<Draining>(message)) {
    scheduler_.OnExecutorDraining(stream);
  }
}

void IngestProcess::CheckRepeat(StreamId stream, const UpMessage& message) {
  if (exited_ == nullptr) return;
  const std::uint64_t before = DigestOf(scheduler_);
  Step([&](ingest::Effects& effects) {
    truth_.OnMessage(stream, message);
    Feed(stream, message, effects);
  });
  env_.findings.Expect(before == DigestOf(scheduler_), Invariant::kRepeatChangesNothing,
                       [&] { return TextOf(message) + " has changed something when repeated"; });
}

void IngestProcess::OnClosed(StreamId stream) {
  const auto closed = streams_.extract(stream);
  if (closed.empty()) return;
  env_.Tell(kName, [&] { return "loses stream " + std::to_string(stream); });
  Step([&](ingest::Effects& effects) {
    truth_.OnClosed(stream);
    scheduler_.OnStreamClosed(stream, Now(), effects);
  });
  // What a stream that has ended has said changes nothing either.
  if (env_.Strikes(Fault::kRepeatMessage)) CheckRepeat(stream, closed.mapped());
}

// --- effects --------------------------------------------------------------------------------

void IngestProcess::CarryOut(const ingest::Effects& effects) {
  for (const ingest::Effect& effect : effects) CarryOut(effect);
}

void IngestProcess::CarryOut(const ingest::Effect& effect) {
  promises_.OnTold(effect);
  std::visit(
      [&](const auto& one) {
        if constexpr (requires { DownMessage(one); }) {
          if (!streams_.contains(one.stream)) return;
          env_.Tell(kName, [&] {
            return "sends " + std::to_string(one.stream) + ": " + TextOf(DownMessage(one));
          });
          network_.SendDown(one.stream, one);
        }
      },
      effect);
  if (const auto* close = std::get_if<ingest::CloseSuperseded>(&effect)) {
    env_.Tell(kName, [&] { return "closes superseded stream " + std::to_string(close->stream); });
    if (streams_.erase(close->stream) != 0) network_.CloseByIngest(close->stream, true);
  }
  if (const auto* silent = std::get_if<ingest::CancelSilent>(&effect)) {
    env_.Tell(kName, [&] { return "cancels silent stream " + std::to_string(silent->stream); });
    if (streams_.erase(silent->stream) != 0) network_.CloseByIngest(silent->stream, false);
  }
  if (std::holds_alternative<ingest::EventQueued>(effect) ||
      std::holds_alternative<ingest::IncidentRequeued>(effect) ||
      std::holds_alternative<ingest::IncidentFinished>(effect)) {
    env_.Tell(kName, [&] { return LogLine(effect); });
  }
}

void IngestProcess::RearmTimer() {
  if (timer_) env_.events.Cancel(*timer_);
  timer_.reset();
  const auto deadline = scheduler_.NextDeadline();
  if (!deadline) return;
  timer_ = env_.events.At(this, *deadline, [this] { OnTimer(); });
}

void IngestProcess::OnTimer() {
  if (scheduler_.BeginSweep(Now())) {
    RearmTimer();
    Sweep();
  }
  Step([&](ingest::Effects& effects) { scheduler_.OnTimer(Now(), effects); });
  truth_.CheckKeepAlives();
}

void IngestProcess::Sweep() {
  for (bool more = true; more;) {
    Step([&](ingest::Effects& effects) { more = scheduler_.ExpireNext(Now(), effects); });
  }
  CheckInvariants();
}

void IngestProcess::CheckInvariants() {
  for (const ingest::BrokenInvariant& broken : ingest::BrokenInvariants(scheduler_)) {
    env_.findings.Expect(false, Invariant::kSelfCheck,
                         [&] { return broken.cluster + " " + broken.name + ": " + broken.detail; });
  }
}

// --- drain ----------------------------------------------------------------------------------

void IngestProcess::Drain(Duration timeout) {
  if (std::exchange(draining_, true)) {
    CancelRunning();
    return;
  }
  env_.Tell(kName, [] { return std::string("drains"); });
  drain_timer_ = env_.events.After(this, timeout, [this] { CancelRunning(); });
  Step([&](ingest::Effects& effects) {
    truth_.OnDrain();
    scheduler_.BeginDrain(effects);
  });
}

void IngestProcess::CancelRunning() {
  if (exited_ == nullptr || std::exchange(cancelled_, true)) return;
  env_.events.Cancel(drain_timer_);
  drain_timer_ = env_.events.After(this, scheduler_.LargestStopBudget(), [this] { FinishDrain(); });
  Step([&](ingest::Effects& effects) { scheduler_.CancelRunning("shutdown", effects); });
}

void IngestProcess::FinishDrain() {
  env_.events.Cancel(drain_timer_);
  if (const auto exited = std::exchange(exited_, nullptr)) exited();
}

}  // namespace runner::sim
