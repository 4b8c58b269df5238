#include "ingest/core/counters.h"

#include <cstddef>

namespace runner::ingest {

void ClusterCounters::Add(const ClusterCounters& other) {
  for (std::size_t i = 0; i < received.size(); ++i) received[i] += other.received[i];
  AddCounts(invalid, other.invalid);
  AddCounts(filtered, other.filtered);
  AddCounts(evicted, other.evicted);
  AddCounts(finished, other.finished);
  for (const auto field :
       {&ClusterCounters::breaker_dropped, &ClusterCounters::queued, &ClusterCounters::restored,
        &ClusterCounters::leases_restored, &ClusterCounters::requeued, &ClusterCounters::dequeued,
        &ClusterCounters::expired, &ClusterCounters::rejected, &ClusterCounters::leases_expired}) {
    this->*field += other.*field;
  }
}

}  // namespace runner::ingest
