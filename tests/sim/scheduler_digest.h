#pragma once

#include <cstdint>

#include "ingest/core/scheduler.h"

namespace runner::sim {

// A number that differs, as good as always, when anything that can matter to a later decision or to
// a metric differs.
std::uint64_t DigestOf(const ingest::Scheduler& scheduler);

}  // namespace runner::sim
