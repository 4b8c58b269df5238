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

// Which offers this executor takes, what it owes to ingest, and how many credits it has granted.
// Credits out and runs under way never exceed the slots. Pure; not thread-safe.
class Admission {
 public:
  explicit Admission(std::uint32_t slots) : slots_(slots) {}

  enum class Verdict {
    kTake,
    kHeld,      // offered before: it runs, or its result waits
    kEnded,     // offered before: it has ended, and its result is recorded, or it has none
    kDraining,  // takes nothing more
    kNoSlot,    // more offers than credits
  };
  // On kTake the lease runs from now on.
  Verdict OnOffer(const Lease& lease);

  // The result of a lease that ran under an earlier process waits until it is recorded.
  void Restore(const Lease& lease, Outcome outcome) {
    results_.insert_or_assign(lease, std::move(outcome));
  }
  // The run is over; its result waits until it is recorded. A slot is free again.
  void OnFinished(const Lease& lease, Outcome outcome);
  // The run of a lease that was taken has not begun, and is rejected after all: there is no result,
  // its slot is free again, and its credit is granted again.
  void OnNotStarted(const Lease& lease);
  // The result need not be kept any more.
  void OnResultAck(const Lease& lease);

  // A new stream was welcomed: credits count from the beginning. Said again it changes nothing.
  void OnWelcome();
  // Ingest wants nothing more to be taken as long as this stream lasts.
  void OnStreamDrain() { stream_draining_ = true; }
  void OnStreamEnded();
  // This process ends: nothing is taken any more.
  void BeginDrain() { draining_ = true; }

  bool draining() const { return draining_ || stream_draining_; }
  bool IsRunning(const Lease& lease) const { return running_.contains(lease); }
  std::vector<Lease> Running() const { return {running_.begin(), running_.end()}; }
  const std::map<Lease, Outcome>& results_waiting() const { return results_; }
  // Granted since Welcome, in total.
  std::uint64_t credits() const { return credits_; }

 private:
  void RememberEnded(const Lease& lease);

  const std::uint32_t slots_;
  std::set<Lease> running_;
  std::map<Lease, Outcome> results_;
  // The latest that have ended: an offer that comes late must not run twice.
  static constexpr std::size_t kMaxEnded = 1'000;
  std::set<Lease> ended_;
  std::deque<Lease> ended_order_;
  std::uint64_t credits_ = 0;
  std::uint64_t offers_ = 0;  // taken or refused since Welcome
  bool attached_ = false;
  bool stream_draining_ = false;
  bool draining_ = false;
};

dispatch::RejectReason RejectReasonOf(Admission::Verdict verdict);

}  // namespace runner::executor
