#include "tests/sim/external_observations.h"

#include "tests/sim/message.h"

namespace runner::sim {

using ingest::IncidentState;

const ingest::IncidentProgress* ExternalObservations::OnDisk(const std::string& incident_id) const {
  const auto found = journal_.disk().find(incident_id);
  return found == journal_.disk().end() ? nullptr : &found->second.progress;
}

void ExternalObservations::OnReported(const ingest::Effect& effect) {
  std::visit([this](const auto& one) { On(one); }, effect);
}

void ExternalObservations::On(const ingest::ToExecutor& to) {
  std::visit([this](const auto& message) { On(message); }, to.message);
}

void ExternalObservations::On(const ingest::Fact& fact) {
  std::visit([this](const auto& one) { On(one); }, fact);
}

void ExternalObservations::On(const ingest::EventQueued& queued) {
  const std::string& id = queued.incident.id;
  env_.findings.Expect(OnDisk(id) != nullptr, Invariant::kCommittedFirst,
                       [&] { return id + " is reported as queued, but not in the journal"; });
  queued_[id] = queued.incident.rerun_of;
}

void ExternalObservations::On(const dispatch::Offer& offer) {
  const std::string& id = offer.lease.incident_id;
  const auto* disk = OnDisk(id);
  env_.findings.Expect(disk != nullptr && disk->attempt >= offer.lease.attempt,
                       Invariant::kCommittedFirst,
                       [&] { return TextOf(offer.lease) + " is offered, but not in the journal"; });
  env_.findings.Expect(offered_.insert(offer.lease).second && !finished_.contains(id),
                       Invariant::kOneLease, [&] {
                         return TextOf(offer.lease) + " was offered before or has finished, in " +
                                "this process or an earlier one";
                       });
}

void ExternalObservations::On(const dispatch::ResultAck& recorded) {
  const auto* disk = OnDisk(recorded.lease.incident_id);
  // Either the incident has ended, or it was requeued, with any later state.
  const bool past = disk != nullptr && (disk->state == IncidentState::kFinished ||
                                        disk->state == IncidentState::kQueued ||
                                        disk->attempt > recorded.lease.attempt);
  env_.findings.Expect(past && !recorded.is_volatile, Invariant::kCommittedFirst, [&] {
    return TextOf(recorded.lease) + " is acknowledged, but not in the journal";
  });
}

void ExternalObservations::On(const dispatch::Cancel& cancel) {
  if (cancel.reason != dispatch::CancelReason::kCancelled) return;
  const std::string& id = cancel.lease.incident_id;
  const auto* disk = OnDisk(id);
  env_.findings.Expect(disk != nullptr && disk->cancel_requested, Invariant::kCommittedFirst,
                       [&] { return id + " is reported as cancelled, but not in the journal"; });
  cancelled_.insert(id);
}

void ExternalObservations::On(const ingest::IncidentFinished& finished) {
  const std::string& id = finished.lease.incident_id;
  const auto* disk = OnDisk(id);
  env_.findings.Expect(disk != nullptr && disk->state == IncidentState::kFinished,
                       Invariant::kCommittedFirst,
                       [&] { return id + " is reported as finished, but not in the journal"; });
  env_.findings.Expect(finished_.emplace(id, finished.status).second, Invariant::kOneTerminalStatus,
                       [&] { return id + " is reported as finished twice"; });
}

void ExternalObservations::OnRestored(const std::vector<ingest::RestoredIncident>& restored) const {
  std::map<std::string, const ingest::IncidentProgress*> known;
  std::map<std::string, std::string> reruns;
  for (const auto& [incident, progress] : restored) {
    known[incident.id] = &progress;
    reruns[incident.id] = incident.rerun_of;
  }
  for (const auto& [id, rerun_of] : queued_) {
    env_.findings.Expect(known.contains(id), Invariant::kNothingLost, [&] {
      return id + " was reported as queued and is lost after a restart";
    });
    env_.findings.Expect(reruns[id] == rerun_of, Invariant::kNothingLost, [&] {
      return id + " was reported as a rerun, which is lost after a restart";
    });
  }
  for (const std::string& id : cancelled_) {
    env_.findings.Expect(known.contains(id) && known[id]->cancel_requested, Invariant::kNothingLost,
                         [&] { return id + " was cancelled, which is lost after a restart"; });
  }
  for (const auto& [id, status] : finished_) {
    const bool ended = known.contains(id) && known[id]->state == IncidentState::kFinished &&
                       known[id]->status == status;
    env_.findings.Expect(ended, Invariant::kNothingLost, [&] {
      return id + " was reported as " + std::string(ToString(status)) + " before the restart";
    });
  }
}

}  // namespace runner::sim
