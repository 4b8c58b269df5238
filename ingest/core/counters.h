#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "common/base/histogram.h"
#include "ingest/core/event_filter.h"
#include "ingest/core/incident_table.h"

namespace runner::ingest {

// Counters are plain integers on the loop thread. A scrape copies all of them at once, so the
// values of one scrape are consistent.

// Index into ClusterCounters::received for a severity that could not be parsed.
constexpr std::size_t kUnknownSeverity = 5;

// Counts by a closed set of keys. A key that never occurred is absent.
template <typename Key>
using CountsBy = std::map<Key, std::uint64_t>;
using WordCounts = CountsBy<std::string>;

template <typename Key>
void AddCounts(CountsBy<Key>& into, const CountsBy<Key>& counts) {
  for (const auto& [key, count] : counts) into[key] += count;
}

struct ClusterCounters {
  std::array<std::uint64_t, 6> received{};  // by Severity, then kUnknownSeverity
  WordCounts invalid;                       // by reason
  CountsBy<FilterReason> filtered;
  CountsBy<EvictReason> evicted;
  CountsBy<FinalStatus> finished;
  std::uint64_t breaker_dropped = 0;
  std::uint64_t queued = 0;
  std::uint64_t restored = 0;
  std::uint64_t leases_restored = 0;
  std::uint64_t requeued = 0;
  std::uint64_t dequeued = 0;
  std::uint64_t expired = 0;
  std::uint64_t rejected = 0;
  std::uint64_t leases_expired = 0;

  // Adds the counters of another cluster. An equation that holds for each holds for the sum.
  void Add(const ClusterCounters& other);
};

struct SchedulerCounters {
  Histogram dispatch_latency{
      std::vector<double>{.001, .005, .01, .05, .1, .5, 1, 5, 30, 60, 300, 600}};
};

}  // namespace runner::ingest
