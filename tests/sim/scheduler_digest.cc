#include "tests/sim/scheduler_digest.h"

#include <string>
#include <type_traits>

namespace runner::sim {
namespace {

class Digest {
 public:
  void Add(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) Byte(static_cast<unsigned char>(value >> (8 * i)));
  }
  void Add(const std::string& text) {
    for (const char c : text) Byte(static_cast<unsigned char>(c));
    Add(text.size());
  }
  void Add(MonoTime time) { Add(static_cast<std::uint64_t>(time.time_since_epoch().count())); }
  void Add(Duration time) { Add(static_cast<std::uint64_t>(time.count())); }
  template <typename Key, typename Value>
  void Add(const std::map<Key, Value>& values) {
    for (const auto& [key, value] : values) {
      if constexpr (std::is_enum_v<Key>) {
        Add(static_cast<std::uint64_t>(key));
      } else {
        Add(key);
      }
      Add(std::uint64_t{value});
    }
  }
  std::uint64_t value() const { return value_; }

 private:
  void Byte(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  std::uint64_t value_ = 0xcbf29ce484222325;
};

void Add(Digest& digest, const ingest::Scheduler::ClusterView& view) {
  const ingest::ClusterCounters& c = view.counters;
  for (const std::uint64_t count : c.received) digest.Add(count);
  digest.Add(c.invalid);
  digest.Add(c.filtered);
  digest.Add(c.evicted);
  digest.Add(c.finished);
  for (const std::uint64_t count : {c.queued, c.restored, c.leases_restored, c.requeued, c.dequeued,
                                    c.expired, c.breaker_dropped, c.rejected, c.leases_expired}) {
    digest.Add(count);
  }
  digest.Add(view.depth);
  digest.Add(view.leased);
  digest.Add(std::uint64_t{view.configured});
}

void Add(Digest& digest, const ingest::LeaseTable& book) {
  for (const auto& [id, executor] : book.executors()) {
    digest.Add(id);
    digest.Add(executor.stream);
    digest.Add(executor.credits);
    digest.Add(executor.offers);
    digest.Add(std::uint64_t{executor.slots});
    digest.Add(std::uint64_t{executor.draining});
    digest.Add(executor.detached_at);
    digest.Add(executor.offer_delay);
    digest.Add(executor.slowed_at.value_or(MonoTime::min()));
    digest.Add(executor.next_offer.value_or(MonoTime::max()));
    digest.Add(executor.leases);
  }
  for (const auto& [id, held] : book.leases()) {
    digest.Add(id);
    digest.Add(std::uint64_t{held.lease.attempt});
    digest.Add(held.executor_id);
    digest.Add(static_cast<std::uint64_t>(held.state));
    digest.Add(held.accept_deadline);
  }
}

void Add(Digest& digest, const ingest::IncidentRecord& record) {
  digest.Add(record.incident.id);
  digest.Add(static_cast<std::uint64_t>(record.state));
  for (const std::uint32_t count : {record.attempt, record.lost, record.interrupted,
                                    record.unstarted, record.incident.occurrences}) {
    digest.Add(std::uint64_t{count});
  }
  digest.Add(record.waited);
  digest.Add(std::uint64_t{record.started} * 4 + std::uint64_t{record.ever_started} * 2 +
             std::uint64_t{record.cancel_requested});
  digest.Add(record.executor_id);
  digest.Add(record.status ? std::string(ToString(*record.status)) : "");
  digest.Add(record.reason);
  digest.Add(std::uint64_t{record.outcome.has_value()});
}

}  // namespace

std::uint64_t DigestOf(const ingest::Scheduler& scheduler) {
  Digest digest;
  for (std::size_t i = 0; i < scheduler.cluster_count(); ++i) Add(digest, scheduler.View(i));
  Add(digest, scheduler.leases());
  // The latest finished incidents suffice: the end of each changes the hash.
  for (const auto* record : scheduler.incidents().Newest(30, [](const auto&) { return true; })) {
    Add(digest, *record);
  }
  digest.Add(scheduler.counters().dispatch_latency.Count());
  digest.Add(scheduler.NextDeadline().value_or(MonoTime::max()));
  digest.Add(static_cast<std::uint64_t>(scheduler.breaker().state()));
  digest.Add(std::uint64_t{scheduler.breaker().failures()});
  digest.Add(std::uint64_t{scheduler.draining()});
  return digest.value();
}

}  // namespace runner::sim
