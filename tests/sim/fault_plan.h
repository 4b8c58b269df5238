#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tests/sim/random.h"

namespace runner::sim {

// The possible faults. To add one, name it here and in fault_plan.cc, and let the affected actor
// query the plan.
enum class Fault {
  // These occur by themselves, at random intervals.
  kBreakStream,
  kStallStream,
  kCrashExecutor,
  kDrainExecutor,
  kFreezeExecutor,  // it is stopped, and its streams stay open
  kTwinExecutor,    // a second process with the same executor id
  kRogueExecutor,   // a peer that sends arbitrary messages
  kCrashIngest,
  kDrainIngest,
  kJumpWallClock,
  kFlood,
  kBadEvents,
  kChangeClusters,  // clusters are added, removed, or get other rules
  kCancelIncident,  // by an operator
  kResetBreaker,    // by an operator
  kRerunIncident,   // by an operator
  // These occur with a probability on each occasion.
  kRepeatMessage,
  kSlowWire,
  kRefuseDial,
  kIgnoreTerm,
  kSlowContainment,
  kLoseContainment,
  kLoseShim,
  kFailStart,
  kShortage,  // of resources, at the start of a run
  kFailAgent,
  kHangAgent,
  kSlowDisk,
  kCount,
};
constexpr Fault kFirstOnOccasion = Fault::kRepeatMessage;

std::string_view NameOf(Fault fault);

// Which faults a history has, and how frequent they are. Each seed enables a random subset: a pair
// of faults finds defects that all faults together hide.
class FaultPlan {
 public:
  static FaultPlan Of(Random& random);

  bool Enabled(Fault fault) const { return strength_[static_cast<std::size_t>(fault)] > 0; }
  // For a fault that occurs by itself.
  Duration MeanInterval(Fault fault) const {
    return std::chrono::milliseconds(strength_[static_cast<std::size_t>(fault)]);
  }
  // For a fault that occurs on an occasion.
  bool Strikes(Fault fault, Random& random) const {
    return random.Chance(strength_[static_cast<std::size_t>(fault)]);
  }
  void Calm() { strength_.fill(0); }
  std::string Text() const;

 private:
  // The mean interval in milliseconds, or the probability in thousandths.
  std::array<std::uint32_t, static_cast<std::size_t>(Fault::kCount)> strength_{};
};

}  // namespace runner::sim
