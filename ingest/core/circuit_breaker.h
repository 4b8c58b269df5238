#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::ingest {

// Stops leasing when agents fail in a row: the cause is then more likely on our side (an invalid
// key, a broken network) than in the clusters.
//
// The breaker is closed until `threshold` consecutive failures or timeouts, then open for
// `cooldown`, then half-open. Half-open, one lease at a time is a probe: its success closes the
// breaker, its failure opens it again. A probe without a verdict (interrupted, cancelled, lost)
// admits the next one. Pure; not thread-safe.
class CircuitBreaker {
 public:
  // The values of the gauge circuit_breaker_state.
  enum class State { kClosed = 0, kOpen = 1, kHalfOpen = 2 };

  struct Options {
    std::uint32_t threshold = 3;  // 0: never opens
    Duration cooldown = std::chrono::minutes(1);
  };

  // The number of openings and resets before a lease. The end of a lease of an earlier generation
  // is ignored.
  using Generation = std::uint64_t;

  explicit CircuitBreaker(Options options) : options_(options) {}

  State state() const { return state_; }
  std::uint32_t failures() const { return failures_; }
  bool AdmitsLease() const;

  // A lease begins. Pass the returned generation to OnLeaseEnded.
  Generation OnLeased();
  // A lease ended. `status` is the status of its run, or nothing if the lease was lost, rejected or
  // returned. Returns true if the state has changed.
  bool OnLeaseEnded(Generation generation, std::optional<RunStatus> status, MonoTime now);
  // Call at NextDeadline() or later. Returns true if the state has changed.
  bool OnTimer(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  // Closes the breaker at once and clears the failures. Results of runs that were leased before are
  // ignored. Returns true if the state has changed.
  bool Reset();

 private:
  void Open(MonoTime now);

  const Options options_;
  State state_ = State::kClosed;
  std::uint32_t failures_ = 0;  // consecutive
  Generation generation_ = 0;
  MonoTime half_open_at_;
  bool probing_ = false;  // half-open only
};

std::string_view ToString(CircuitBreaker::State state);

}  // namespace runner::ingest
