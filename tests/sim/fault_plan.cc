#include "tests/sim/fault_plan.h"

#include <algorithm>
#include <string_view>

namespace runner::sim {
namespace {

constexpr auto kFaults = static_cast<std::size_t>(Fault::kCount);
constexpr std::array<std::string_view, kFaults> kNames = {
    "break-stream",     "stall-stream",     "crash-executor", "drain-executor",
    "freeze-executor",  "twin-executor",    "rogue-executor", "crash-ingest",
    "drain-ingest",     "jump-wall-clock",  "flood",          "bad-events",
    "change-clusters",  "cancel-incident",  "reset-breaker",  "rerun-incident",
    "repeat-message",   "slow-wire",        "refuse-dial",    "ignore-term",
    "slow-containment", "lose-containment", "lose-shim",      "fail-start",
    "shortage",         "fail-agent",       "hang-agent",     "slow-disk"};

// The shortest mean interval of a fault in milliseconds.
std::uint32_t ShortestInterval(Fault fault) {
  switch (fault) {
    case Fault::kCrashIngest:
    case Fault::kDrainIngest:
    case Fault::kFreezeExecutor:
      return 20'000;
    case Fault::kResetBreaker:
      return 5'000;
    case Fault::kBreakStream:
    case Fault::kRogueExecutor:
    case Fault::kBadEvents:
    case Fault::kCancelIncident:
    case Fault::kRerunIncident:
      return 2'000;
    default:
      return 10'000;
  }
}

std::uint32_t HighestChance(Fault fault) {
  if (fault == Fault::kLoseContainment || fault == Fault::kLoseShim) return 50;
  // A run that cannot start exercises nothing further.
  return fault == Fault::kShortage ? 100 : 600;
}

}  // namespace

std::string_view NameOf(Fault fault) { return kNames[static_cast<std::size_t>(fault)]; }

FaultPlan FaultPlan::Of(Random& random) {
  FaultPlan fault_plan;
  // From nearly no faults to many.
  const auto enabled = static_cast<std::uint32_t>(random.Between(100, 700));
  for (std::size_t i = 0; i < kFaults; ++i) {
    const auto fault = static_cast<Fault>(i);
    if (!random.Chance(enabled)) continue;
    const std::uint32_t scale = 1u << random.Below(4);
    fault_plan.strength_[i] = fault < kFirstOnOccasion ? ShortestInterval(fault) * scale
                                                       : std::max(1u, HighestChance(fault) / scale);
  }
  return fault_plan;
}

std::string FaultPlan::Text() const {
  std::string text;
  for (std::size_t i = 0; i < kFaults; ++i) {
    if (strength_[i] == 0) continue;
    const bool alone = static_cast<Fault>(i) < kFirstOnOccasion;
    text += (text.empty() ? "" : ", ") + std::string(kNames[i]) + " " +
            (alone ? "every " + std::to_string(strength_[i]) + " ms"
                   : std::to_string(strength_[i]) + " in 1000");
  }
  return text.empty() ? "calm" : text;
}

}  // namespace runner::sim
