#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/findings.h"
#include "tests/sim/trace.h"
#include "tests/sim/transitions.h"

namespace runner::sim {

struct HistoryOptions {
  std::uint64_t seed = 0;
  std::uint64_t steps = 400;  // of the storm; the calm after it comes on top
  Trace::Mode trace = Trace::Mode::kOff;
  bool wall_clock_jumps = true;
};

struct HistoryReport {
  std::optional<Finding> finding;
  std::uint64_t steps = 0;
  Duration time{};  // simulated
  std::uint64_t hash = 0;
  Transitions transitions;
};

// One history from its seed to its end: a storm of faults; then calm, in which everything that was
// begun must end and every slot become free; a probe of each cluster, which must succeed; and the
// departure of all executors, after which nothing may be left. It ends early at a broken invariant.
HistoryReport RunHistory(const HistoryOptions& options);

}  // namespace runner::sim
