#include "ingest/core/counters.h"

#include <cstddef>

namespace runner::ingest {

void AddWords(WordCounts& into, const WordCounts& words) {
  for (const auto& [word, count] : words) into[word] += count;
}

void ClusterCounters::Add(const ClusterCounters& other) {
  for (std::size_t i = 0; i < received.size(); ++i) received[i] += other.received[i];
  AddWords(invalid, other.invalid);
  AddWords(filtered, other.filtered);
  AddWords(evicted, other.evicted);
  AddWords(finished, other.finished);
  for (const auto field :
       {&ClusterCounters::breaker_dropped, &ClusterCounters::queued, &ClusterCounters::restored,
        &ClusterCounters::leases_restored, &ClusterCounters::requeued, &ClusterCounters::dequeued,
        &ClusterCounters::expired, &ClusterCounters::rejected, &ClusterCounters::leases_expired}) {
    this->*field += other.*field;
  }
}

}  // namespace runner::ingest
