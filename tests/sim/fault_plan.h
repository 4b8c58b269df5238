#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tests/sim/random.h"

namespace runner::sim {

// Everything that can go wrong. To add one: name it here and in fault_plan.cc, and let the actor that suffers
// it ask the plan.
enum class Fault {
  // These strike on their own, every now and then.
  kBreakStream,
  kStallStream,
  kCrashExecutor,
  kDrainExecutor,
  kFreezeExecutor,  // it is stopped, and its streams stay open
  kTwinExecutor,    // a second process with the same executor id
  kRogueExecutor,   // a peer that says anything
  kCrashIngest,
  kDrainIngest,
  kJumpWallClock,
  kFlood,
  kBadEvents,
  kChangeClusters,  // they are configured, removed, judged by other rules
  kCancelIncident,  // by an operator
  kResetBreaker,    // by an operator
  kRerunIncident,   // by an operator
  // These are asked for on each occasion.
  kRepeatMessage,
  kSlowWire,
  kRefuseDial,
  kIgnoreTerm,
  kSlowContainment,
  kLoseContainment,
  kLoseShim,
  kFailStart,
  kShortage,  // of the executor's machine, at the start of a run
  kFailAgent,
  kHangAgent,
  kSlowDisk,
  kCount,
};
constexpr Fault kFirstOnOccasion = Fault::kRepeatMessage;

std::string_view NameOf(Fault fault);

// Which faults a history suffers, and how hard. Each seed enables a random subset: what a storm of
// everything hides is found where only two faults meet.
class FaultPlan {
 public:
  static FaultPlan Of(Random& random);

  bool Enabled(Fault fault) const { return strength_[static_cast<std::size_t>(fault)] > 0; }
  // Of a fault that strikes on its own.
  Duration MeanInterval(Fault fault) const {
    return std::chrono::milliseconds(strength_[static_cast<std::size_t>(fault)]);
  }
  // Of a fault on occasion.
  bool Strikes(Fault fault, Random& random) const {
    return random.Chance(strength_[static_cast<std::size_t>(fault)]);
  }
  void Calm() { strength_.fill(0); }
  std::string Text() const;

 private:
  // The mean interval in milliseconds, or the chance in a thousand.
  std::array<std::uint32_t, static_cast<std::size_t>(Fault::kCount)> strength_{};
};

}  // namespace runner::sim
