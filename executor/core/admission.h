#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/domain/dispatch.h"
#include "common/domain/incident.h"

namespace runner::executor {

// Decides which offers this executor takes, and tracks its leases, the results that wait for an
// acknowledgement, and the credits granted to ingest. Credits and runs together never exceed the
// slots. Pure; not thread-safe.
class Admission {
 public:
  explicit Admission(std::uint32_t slots) : slots_(slots) {}

  enum class Verdict {
    kTake,
    kHeld,      // offered before: the run is active, or its result waits
    kEnded,     // offered before: the lease has ended; its result was acknowledged, or it has none
    kDraining,  // this executor drains
    kNoSlot,    // more offers than credits
  };
  // On kTake the lease starts now.
  Verdict OnOffer(const Lease& lease);

  // Adds a result that an earlier process left; it waits until ingest acknowledges it.
  void Restore(const Lease& lease, Outcome outcome) {
    results_.insert_or_assign(lease, std::move(outcome));
  }
  // The run has ended; its result waits until ingest acknowledges it. Frees a slot.
  void OnFinished(const Lease& lease, Outcome outcome);
  // The run of a taken lease could not start, and the lease is rejected after all. There is no
  // result; slot and credit are free again.
  void OnNotStarted(const Lease& lease);
  // Ingest has acknowledged the result.
  void OnResultAck(const Lease& lease);

  // A new stream was welcomed: credits count from zero. Calling it twice has no further effect.
  void OnWelcome();
  // Ingest drains this executor: it takes no more offers on this stream.
  void OnStreamDrain() { stream_draining_ = true; }
  void OnStreamEnded();
  // This process drains: it takes no more offers.
  void BeginDrain() { draining_ = true; }

  bool draining() const { return draining_ || stream_draining_; }
  bool IsRunning(const Lease& lease) const { return running_.contains(lease); }
  std::vector<Lease> Running() const { return {running_.begin(), running_.end()}; }
  const std::map<Lease, Outcome>& results_waiting() const { return results_; }
  // Total granted since Welcome.
  std::uint64_t credits() const { return credits_; }

 private:
  void RememberEnded(const Lease& lease);

  const std::uint32_t slots_;
  std::set<Lease> running_;
  std::map<Lease, Outcome> results_;
  // Bound on the remembered ended leases, which reject an offer that arrives late.
  static constexpr std::size_t kMaxEnded = 1'000;
  std::set<Lease> ended_;
  std::deque<Lease> ended_order_;
  std::uint64_t credits_ = 0;
  std::uint64_t offers_ = 0;  // taken or rejected since Welcome
  bool attached_ = false;
  bool stream_draining_ = false;
  bool draining_ = false;
};

dispatch::RejectReason RejectReasonOf(Admission::Verdict verdict);

}  // namespace runner::executor
