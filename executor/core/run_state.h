#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "executor/core/run_outcome.h"
#include "executor/shim/record.h"

namespace runner::executor {

// The life of one run: what was asked of it and what is known of it, from the start of its shim to
// the proof that nothing of it is left. It decides, and is told of what was done. Pure; not
// thread-safe.
//
//   starting -> running -> (stopping) -> finished
//                              \-> sweeping -> finished     the shim gave no proof
class RunState {
 public:
  enum class Phase { kStarting, kRunning, kStopping, kSweeping, kFinished };

  explicit RunState(const Instant& now) : began_(now) {}

  // No shim could be started. The run is swept all the same: it may have been one for a moment.
  void OnStartFailed(StartFailure failure, int error, MonoTime now);
  // The shim says that the agent runs.
  void OnStarted();
  // Whether the shim is to be told. Only the first stop counts.
  bool OnStop(StopReason reason);
  // Whether the shim is to be told to kill at once; a run that nobody has stopped is interrupted.
  bool OnKill();
  // The shim has ended. `clean`: by itself, with 0. The agent can write to the spool and kill its
  // shim, but not make it exit with 0: without that no record is taken for the word of the shim.
  // True: the run is over, and proven to be contained. False: it is to be swept until `SweepUntil`.
  bool OnShimEnded(bool clean, const std::optional<ShimRecord>& record, MonoTime now);
  void OnSwept(std::uint32_t killed) { strays_killed_ += killed; }
  // The run is over, contained or not. What is to be judged.
  RunEnd OnFinished(bool contained, const Instant& now);

  static constexpr Duration kSweepLimit = std::chrono::seconds(5);
  // Until when a sweep may take, or nothing.
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
  std::uint32_t strays_killed_ = 0;
};

// What an operator is shown: starting, running, stopping, finished. A sweep is a way of stopping.
std::string_view ToString(RunState::Phase phase);

}  // namespace runner::executor
