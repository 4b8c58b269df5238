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

// How an incident ended.
enum class FinalStatus { kSuccess, kFailure, kTimeout, kCancelled, kExpired, kEvicted };

// The word of the `status` label.
std::string_view ToString(FinalStatus status);
std::optional<FinalStatus> ParseFinalStatus(std::string_view word);
// Of a run that was not interrupted: an interrupted one ends no incident.
FinalStatus FinalStatusOf(RunStatus status);

// Why a queued incident was removed.
enum class EvictReason { kOverflow, kCancelled };

// The word of the `reason` label.
std::string_view ToString(EvictReason reason);

// How far an incident has come. This is what outlives a restart, beside the incident itself.
struct IncidentProgress {
  IncidentState state = IncidentState::kQueued;
  WallTime since;                 // of `state`; wall time, because it is read after a restart
  Duration waited{};              // time spent in the queue before the present stay or lease
  WallTime leased_at;             // the latest lease
  std::uint32_t attempt = 0;      // number of the latest offer
  std::uint32_t lost = 0;         // leases lost after their agent had started
  std::uint32_t interrupted = 0;  // leases ended by a drain
  std::uint32_t unstarted = 0;    // leases in a row that ended before their agent had started
  bool started = false;           // an agent has started under the latest lease
  bool ever_started = false;
  bool cancel_requested = false;      // by an operator: no further attempt
  std::string executor_id;            // of the latest lease
  std::optional<FinalStatus> status;  // once finished
  std::string reason;
  std::optional<Outcome> outcome;
};

// Everything ingest knows of one incident.
struct IncidentRecord : IncidentProgress {
  Incident incident;
  ClusterIndex cluster = 0;
  MonoTime received_mono;
  ClusterQueue::Place place;                  // while queued
  MonoTime offered_at;                        // the latest lease
  CircuitBreaker::Generation generation = 0;  // of the latest lease
};

// Owns the record of every incident that waits or runs, and remembers those that ended lately,
// within a bound of number and of bytes. Pure; not thread-safe. References stay valid until the
// record is finished and later forgotten.
class IncidentTable {
 public:
  IncidentTable(std::size_t max_finished, std::size_t max_finished_bytes)
      : max_finished_(max_finished), max_finished_bytes_(max_finished_bytes) {}

  IncidentRecord& Add(IncidentRecord record);
  // Null when unknown or forgotten.
  IncidentRecord* Find(const std::string& incident_id);
  const IncidentRecord* Find(const std::string& incident_id) const;
  // Marks the record finished; older finished ones may be forgotten, never this one.
  void Finish(IncidentRecord& record, FinalStatus status, std::string reason);

  // Newest first, at most `limit`, those that `wanted` accepts.
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
  std::deque<std::string> finished_;  // in the order of their end
  std::size_t finished_bytes_ = 0;
};

}  // namespace runner::ingest
