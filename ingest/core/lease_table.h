#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/dispatch.h"
#include "common/domain/incident.h"

namespace runner::ingest {

// One gRPC stream of one executor. Never reused, never 0.
using StreamId = std::uint64_t;
constexpr StreamId kNoStream = 0;

struct LeaseLimits {
  // The longest time without a keep-alive of an attached executor, and how long leases survive a
  // broken stream.
  Duration lease_ttl = std::chrono::seconds(60);
  // Sent to executors in Welcome.
  Duration keep_alive_interval = std::chrono::seconds(5);
  Duration accept_timeout = std::chrono::seconds(10);  // from offer to Accepted
  // After a rejection or an accept timeout, the executor receives no offer for this long. The delay
  // doubles with each later rejection or timeout and resets to the minimum when a run starts.
  Duration min_offer_delay = std::chrono::seconds(1);
  Duration max_offer_delay = std::chrono::minutes(1);
  // Limit of detached executors without leases whose offer delay is remembered for `lease_ttl`.
  std::size_t max_remembered = 100;
};

// Which executor holds which incident: executors, their streams, credits and leases.
//
// Decides whether a message refers to a current lease, which executor receives the next offer, and
// which leases are lost. The scheduler decides what happens to a lost incident. Pure; not
// thread-safe.
class LeaseTable {
 public:
  enum class LeaseState { kOffered, kRunning };

  struct Executor {
    std::string id;
    std::string boot_id;
    std::string version;
    std::uint32_t slots = 0;
    bool sidecar = false;
    Duration stop_budget{};
    bool draining = false;
    StreamId stream = kNoStream;  // kNoStream: detached; its leases wait for a Hello
    MonoTime alive_at;            // its Hello or its latest KeepAlive; valid while attached
    MonoTime detached_at;
    std::uint64_t credits = 0;                    // granted since Welcome
    std::uint64_t offers = 0;                     // made since Welcome
    Duration offer_delay{};                       // the latest; zero: none since a run started
    std::optional<MonoTime> slowed_at;            // start of the latest delay
    std::optional<MonoTime> next_offer;           // end of the current delay, after a rejection
    std::map<std::string, std::uint32_t> leases;  // incident id -> attempt

    bool attached() const { return stream != kNoStream; }
    std::size_t FreeSlots() const;
  };

  struct HeldLease {
    Lease lease;
    std::string executor_id;
    LeaseState state = LeaseState::kOffered;
    MonoTime accept_deadline;  // valid while offered and its executor is attached
  };

  struct Attached {
    StreamId superseded = kNoStream;  // an earlier stream of the same executor; must be closed
    std::vector<Lease> kept;
    std::vector<Lease> dropped;
    std::vector<Lease> lost;  // held by this executor, but not listed; latest id first
  };

  explicit LeaseTable(LeaseLimits limits) : limits_(limits) {}

  Attached Attach(StreamId stream, const dispatch::Hello& hello, MonoTime now);
  // A lease from before the restart. Its executor counts as detached since `now`.
  void Restore(const std::string& executor_id, const Lease& lease, bool running, MonoTime now);
  // The offers that the stream's executor has not accepted, for an executor that drains: it accepts
  // nothing after ExecutorDraining and sends every Accepted before it. Latest id first.
  std::vector<Lease> UnacceptedOffers(StreamId stream) const;
  // The stream's executor sent a KeepAlive.
  void KeepAlive(StreamId stream, MonoTime now);
  // The streams of executors that have sent no Hello and no KeepAlive for `lease_ttl`, the longest
  // silent first. Other messages do not count: gRPC answers pings for a stopped process, and
  // messages from before it stopped still arrive.
  std::vector<StreamId> SilentBy(MonoTime now) const;
  // The leases of the stream's executor wait for its next Hello.
  void Detach(StreamId stream, MonoTime now);
  void GrantCredits(StreamId stream, std::uint64_t total);
  void SetDraining(StreamId stream);

  // The attached executor with the most free slots, or null.
  const Executor* LeastLoaded() const;
  void Offer(const Executor& executor, const Lease& lease, MonoTime now);

  // The lease if it is current and held by the executor of this stream, else null.
  const HeldLease* Current(StreamId stream, const Lease& lease) const;
  // The executor accepted the lease, which must be current.
  void Accept(const Lease& lease);
  void Release(const std::string& incident_id);

  // The stream's executor rejected an offer made at `offered_at` and receives no offer until the
  // delay ends. Offers from before the latest delay are ignored: several outstanding offers that
  // are rejected together count once. A Hello keeps the delay.
  void SlowOffers(StreamId stream, MonoTime offered_at, MonoTime now);
  // A run started on the stream's executor: the next rejection starts at the minimum delay.
  void ResetOfferDelay(StreamId stream);
  // Ends the delays that are due.
  void ResumeOffers(MonoTime now);

  // Leases lost by `now`: not accepted in time, or without a Hello for `lease_ttl`. They are still
  // held; the caller releases them. Latest id first: returned to the front of the queue one by one,
  // the oldest is first again.
  struct ExpiredLease {
    Lease lease;
    StreamId stream = kNoStream;  // where to send Cancel; kNoStream if the executor is detached
    bool ttl_expired = false;
  };
  std::vector<ExpiredLease> ExpiredBy(MonoTime now) const;
  // Removes executors that are detached and hold no lease. One with an offer delay is kept for
  // `lease_ttl`, unless `max_remembered` others detached after it.
  void ForgetIdle(MonoTime now);
  // The next time at which ExpiredBy or SilentBy returns more, or ResumeOffers has an effect.
  std::optional<MonoTime> NextDeadline() const;

  // By executor id.
  const std::map<std::string, Executor>& executors() const { return executors_; }
  const Executor* OfStream(StreamId stream) const;
  // Leases by incident id.
  const std::map<std::string, HeldLease>& leases() const { return leases_; }

 private:
  Executor* Find(StreamId stream);
  MonoTime ReturnDeadline(const Executor& executor) const {
    return executor.detached_at + limits_.lease_ttl;
  }
  void ClearNextOffer(Executor& executor);
  void ClearOfferDelay(Executor& executor);
  MonoTime AliveDeadline(const Executor& executor) const {
    return executor.alive_at + limits_.lease_ttl;
  }

  const LeaseLimits limits_;
  std::map<std::string, Executor> executors_;
  std::unordered_map<StreamId, std::string> executor_of_stream_;
  std::map<std::string, HeldLease> leases_;
  // Indexes by deadline: offered leases of attached executors (accept), detached executors
  // (return), attached executors (keep-alive). So a timer visits only what is due.
  std::set<std::pair<MonoTime, std::string>> to_accept_;
  std::set<std::pair<MonoTime, std::string>> to_return_;
  std::set<std::pair<MonoTime, std::string>> to_keep_alive_;
  // Executors with an offer delay, by the end of the delay.
  std::set<std::pair<MonoTime, std::string>> to_resume_;
};

}  // namespace runner::ingest
