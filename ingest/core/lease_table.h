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
  // How long an attached executor may send no keep-alive, and how long leases survive a broken
  // stream.
  Duration lease_ttl = std::chrono::seconds(60);
  // What executors are asked for: three keep-alives may be lost before one counts as silent.
  Duration keep_alive_interval = std::chrono::seconds(5);
  Duration accept_timeout = std::chrono::seconds(10);  // from offer to Accepted
  // After a rejection, or an offer that was not accepted in time, an executor is offered nothing
  // for so long: doubled by each one of a later offer, back to the minimum once a run has started.
  Duration min_offer_delay = std::chrono::seconds(1);
  Duration max_offer_delay = std::chrono::minutes(1);
  // Detached executors without leases whose delay is remembered for `lease_ttl`.
  std::size_t max_remembered = 100;
};

// Who holds which incident: executors, their streams, credits and leases.
//
// It decides whether a message speaks of a current lease, which executor is the next to be offered
// work, and which leases are lost. What becomes of a lost incident is the scheduler's business.
// Pure; not thread-safe.
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
    StreamId stream = kNoStream;  // kNoStream: detached, its leases wait for a Hello
    MonoTime alive_at;            // its Hello or its latest KeepAlive; while attached
    MonoTime detached_at;
    std::uint64_t credits = 0;                    // granted since Welcome
    std::uint64_t offers = 0;                     // made since Welcome
    Duration offer_delay{};                       // the latest; zero: none since a run started
    std::optional<MonoTime> slowed_at;            // when the latest delay began
    std::optional<MonoTime> next_offer;           // not before, after a rejection
    std::map<std::string, std::uint32_t> leases;  // incident id -> attempt

    bool attached() const { return stream != kNoStream; }
    std::size_t FreeSlots() const;
  };

  struct HeldLease {
    Lease lease;
    std::string executor_id;
    LeaseState state = LeaseState::kOffered;
    MonoTime accept_deadline;  // while offered and its executor is attached
  };

  struct Attached {
    StreamId superseded = kNoStream;  // an earlier stream of the same executor, to be closed
    std::vector<Lease> kept;
    std::vector<Lease> dropped;
    std::vector<Lease> lost;  // held by this executor until now, but not listed; latest id first
  };

  explicit LeaseTable(LeaseLimits limits) : limits_(limits) {}

  Attached Attach(StreamId stream, const dispatch::Hello& hello, MonoTime now);
  // A lease of an earlier life of ingest: held by an executor that is away since `now`.
  void Restore(const std::string& executor_id, const Lease& lease, bool running, MonoTime now);
  // What the stream's executor was offered and has not taken, when it drains: after saying so it
  // takes nothing, and what it took before it has told before. Latest id first, as Lost.
  std::vector<Lease> UnacceptedOffers(StreamId stream) const;
  // The stream's executor has sent a KeepAlive.
  void KeepAlive(StreamId stream, MonoTime now);
  // The streams of executors from which no Hello and no KeepAlive came for the time to live, the
  // longest silent first. Only Beats count: gRPC answers pings for a process that is stopped, and
  // messages from before it was stopped still arrive.
  std::vector<StreamId> SilentBy(MonoTime now) const;
  // The leases of the stream's executor wait for a Hello from now on.
  void Detach(StreamId stream, MonoTime now);
  void GrantCredits(StreamId stream, std::uint64_t total);
  void SetDraining(StreamId stream);

  // The attached executor with the most free slots, or null.
  const Executor* LeastLoaded() const;
  void Offer(const Executor& executor, const Lease& lease, MonoTime now);

  // The lease if it is current and held by the executor of this stream, else null.
  const HeldLease* Current(StreamId stream, const Lease& lease) const;
  // The executor has taken the lease, which is current.
  void Accept(const Lease& lease);
  void Release(const std::string& incident_id);

  // The stream's executor has rejected an offer from `offered_at`: it is offered nothing for a
  // while. Offers from before the latest delay change nothing: rejections of several offers that
  // were outstanding together count once. A Hello keeps the delay.
  void SlowOffers(StreamId stream, MonoTime offered_at, MonoTime now);
  // A run has started on the stream's executor: the next rejection costs the minimum again.
  void ResetOfferDelay(StreamId stream);
  // Executors whose delay is over may be offered work again.
  void ResumeOffers(MonoTime now);

  // Leases lost by `now`: not accepted in time, or waiting for a Hello beyond the time to live.
  // They are still held; the caller releases them. The latest id comes first: put back to the front
  // of the queue one by one, the oldest stands first again.
  struct ExpiredLease {
    Lease lease;
    StreamId stream = kNoStream;  // where a Cancel can be sent, if anywhere
    bool ttl_expired = false;
  };
  std::vector<ExpiredLease> ExpiredBy(MonoTime now) const;
  // Forgets executors that are detached and hold nothing. One whose offers are delayed is
  // remembered for the time to live, or until more than `max_remembered` left after it.
  void ForgetIdle(MonoTime now);
  // The next moment at which ExpiredBy or SilentBy returns something new, or ResumeOffers has an
  // effect.
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
  // Leases offered to attached executors by the end of their time to be accepted, executors that
  // are away by the end of their time to come back, and attached executors by the end of their time
  // to send a KeepAlive: what is due is found without looking at all.
  std::set<std::pair<MonoTime, std::string>> to_accept_;
  std::set<std::pair<MonoTime, std::string>> to_return_;
  std::set<std::pair<MonoTime, std::string>> to_keep_alive_;
  // Executors by the end of the delay of their offers.
  std::set<std::pair<MonoTime, std::string>> to_resume_;
};

}  // namespace runner::ingest
