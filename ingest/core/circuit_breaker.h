#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::ingest {

// Stops leasing when agents fail one after the other: their failure is then more likely ours (a bad
// key, a broken network) than that of the clusters.
//
// Closed until `threshold` failures or timeouts came in a row; then open for `cooldown`; then
// half-open: one lease at a time is a probe, whose success closes the breaker and whose failure
// opens it again. What neither succeeded nor failed (interrupted, cancelled, lost) lets the next
// probe go. Pure; not thread-safe.
class CircuitBreaker {
 public:
  // What the gauge shows.
  enum class State { kClosed = 0, kOpen = 1, kHalfOpen = 2 };

  struct Options {
    std::uint32_t threshold = 3;  // 0: never opens
    Duration cooldown = std::chrono::minutes(1);
  };

  // After which opening or reset a lease was given. Runs that were leased before the latest say
  // nothing any more.
  using Generation = std::uint64_t;

  explicit CircuitBreaker(Options options) : options_(options) {}

  State state() const { return state_; }
  std::uint32_t failures() const { return failures_; }
  bool AdmitsLease() const;

  // A lease was given: the era to remember for its end.
  Generation OnLeased();
  // A lease ended, with the status of its run, or without one when it was lost, rejected or given
  // back. True when the state has changed.
  bool OnLeaseEnded(Generation generation, std::optional<RunStatus> status, MonoTime now);
  // Call at NextDeadline() or later. True when the state has changed.
  bool OnTimer(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  // Somebody knows better: closed at once, failures forgotten, also those of runs that are under
  // way. True when the state has changed.
  bool Reset();

 private:
  void Open(MonoTime now);

  const Options options_;
  State state_ = State::kClosed;
  std::uint32_t failures_ = 0;  // in a row
  Generation generation_ = 0;
  MonoTime half_open_at_;
  bool probing_ = false;  // half-open only
};

std::string_view ToString(CircuitBreaker::State state);

}  // namespace runner::ingest
