#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "executor/core/run_outcome.h"
#include "executor/shim/record.h"

namespace runner::executor {

// The state of one run, from the start of its shim to the proof that none of its processes exists.
// Makes the decisions; the caller acts and reports the results. Pure; not thread-safe.
//
//   starting -> running -> (stopping) -> finished
//                              \-> sweeping -> finished     the shim gave no proof
class RunState {
 public:
  enum class Phase { kStarting, kRunning, kStopping, kSweeping, kFinished };

  explicit RunState(const Instant& now) : began_(now) {}

  // The shim could not be started. The run is swept as well: the shim may have existed for a
  // moment.
  void OnStartFailed(StartFailure failure, int error, MonoTime now);
  // The shim reports that the agent runs.
  void OnStarted();
  // Returns true if the stop must be sent to the shim. Only the first stop counts.
  bool OnStop(StopReason reason);
  // Returns true if the kill must be sent to the shim. A run that was not stopped before ends as
  // interrupted.
  bool OnKill();
  // The shim has ended. `clean`: by itself, with exit code 0. The agent can write to the spool and
  // kill its shim, but cannot make it exit with 0; therefore a record counts only with a clean
  // exit. Returns true if the run is over and proven to be contained, false if it must be swept
  // until `SweepUntil`.
  bool OnShimEnded(bool clean, const std::optional<ShimRecord>& record, MonoTime now);
  void OnSwept(std::uint32_t killed) { orphans_killed_ += killed; }
  // The run is over, contained or not. Returns the facts for Judge.
  RunEnd OnFinished(bool contained, const Instant& now);

  static constexpr Duration kSweepLimit = std::chrono::seconds(5);
  // The deadline of the sweep, or nothing.
  std::optional<MonoTime> SweepUntil() const { return sweep_until_; }
  Phase phase() const { return phase_; }
  bool stopped() const { return stop_.has_value(); }

 private:
  void Sweep(MonoTime now);

  const Instant began_;
  Phase phase_ = Phase::kStarting;
  std::optional<ShimRecord> record_;
  std::optional<StopReason> stop_;
  bool kill_sent_ = false;
  bool start_failed_ = false;
  StartFailure start_failure_ = StartFailure::kSpawn;
  int start_errno_ = 0;
  std::optional<MonoTime> sweep_until_;
  std::uint32_t orphans_killed_ = 0;
};

// For display: starting, running, stopping, finished. A sweep is shown as stopping.
std::string_view ToString(RunState::Phase phase);

}  // namespace runner::executor
