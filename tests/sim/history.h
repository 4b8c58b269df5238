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
  std::uint64_t steps = 400;  // of the fault phase; the calm phase adds to them
  Trace::Mode trace = Trace::Mode::kOff;
  bool wall_clock_jumps = true;
};

struct HistoryReport {
  std::optional<Finding> finding;
  std::uint64_t steps = 0;
  Duration time{};  // simulated time
  std::uint64_t hash = 0;
  Transitions transitions;
};

// Runs one history of a seed. With faults; then without faults, until every incident has ended and
// every slot is free; then one probe for each cluster, which must succeed; then all executors
// leave, after which nothing may remain. Ends early at a violated invariant.
HistoryReport RunHistory(const HistoryOptions& options);

}  // namespace runner::sim
