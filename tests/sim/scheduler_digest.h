#pragma once

#include <cstdint>

#include "ingest/core/scheduler.h"

namespace runner::sim {

// A hash of all state that can affect a later decision or a metric.
std::uint64_t DigestOf(const ingest::Scheduler& scheduler);

}  // namespace runner::sim
