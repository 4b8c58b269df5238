#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/domain/incident.h"
#include "ingest/core/circuit_breaker.h"
#include "ingest/core/incident_queues.h"

namespace runner::ingest {

enum class IncidentState { kQueued, kOffered, kRunning, kFinished };

std::string_view ToString(IncidentState state);
std::optional<IncidentState> ParseIncidentState(std::string_view word);

// The final status of an incident.
enum class FinalStatus { kSuccess, kFailure, kTimeout, kCancelled, kExpired, kEvicted };

// The value of the label `status`.
std::string_view ToString(FinalStatus status);
std::optional<FinalStatus> ParseFinalStatus(std::string_view word);
// `status` must not be kInterrupted: an interrupted run does not end its incident.
FinalStatus FinalStatusOf(RunStatus status);

// Why a queued incident was removed.
enum class EvictReason { kOverflow, kCancelled };

// The value of the label `reason`.
std::string_view ToString(EvictReason reason);

// The progress of an incident. The journal persists it beside the incident.
struct IncidentProgress {
  IncidentState state = IncidentState::kQueued;
  WallTime since;                 // start of `state`; wall time, since it survives a restart
  Duration waited{};              // time in the queue before the current stay or lease
  WallTime leased_at;             // the latest lease
  std::uint32_t attempt = 0;      // number of the latest lease
  std::uint32_t lost = 0;         // leases lost after their agent had started
  std::uint32_t interrupted = 0;  // leases ended by a drain
  std::uint32_t unstarted = 0;    // consecutive leases that ended before their agent had started
  bool started = false;           // an agent has started under the latest lease
  bool ever_started = false;
  bool cancel_requested = false;      // by an operator: no further attempt
  std::string executor_id;            // of the latest lease
  std::optional<FinalStatus> status;  // once finished
  std::string reason;
  std::optional<Outcome> outcome;
};

// Everything that ingest knows about one incident.
struct IncidentRecord : IncidentProgress {
  Incident incident;
  ClusterIndex cluster = 0;
  MonoTime received_mono;
  ClusterQueue::Place place;                  // while queued
  MonoTime offered_at;                        // the latest lease
  CircuitBreaker::Generation generation = 0;  // of the latest lease
};

// Owns the record of every open incident and of the latest finished ones, bounded by number and by
// bytes. Pure; not thread-safe. A reference stays valid until its record is finished and later
// removed.
class IncidentTable {
 public:
  IncidentTable(std::size_t max_finished, std::size_t max_finished_bytes)
      : max_finished_(max_finished), max_finished_bytes_(max_finished_bytes) {}

  IncidentRecord& Add(IncidentRecord record);
  // Null if the incident is unknown or was removed.
  IncidentRecord* Find(const std::string& incident_id);
  const IncidentRecord* Find(const std::string& incident_id) const;
  // Marks the record finished. May remove older finished records, never this one.
  void Finish(IncidentRecord& record, FinalStatus status, std::string reason);

  // Newest first, at most `limit`, those for which `wanted` returns true.
  template <typename Predicate>
  std::vector<const IncidentRecord*> Newest(std::size_t limit, Predicate wanted) const {
    std::vector<const IncidentRecord*> found;
    for (auto it = records_.rbegin(); it != records_.rend() && found.size() < limit; ++it) {
      if (wanted(*it)) found.push_back(&*it);
    }
    return found;
  }

 private:
  using Records = std::list<IncidentRecord>;

  static std::size_t BytesOf(const IncidentRecord& record);

  const std::size_t max_finished_;
  const std::size_t max_finished_bytes_;
  Records records_;  // in the order of acceptance
  std::unordered_map<std::string, Records::iterator> by_id_;
  std::deque<std::string> finished_;  // oldest end first
  std::size_t finished_bytes_ = 0;
};

}  // namespace runner::ingest
