#pragma once

#include <chrono>

#include "common/base/clock.h"

namespace runner::ingest {

// Times that several test files share.
inline constexpr MonoTime kStart{std::chrono::hours(1)};
// 2026-01-01T00:00:00Z
inline constexpr WallTime kNow = WallTime(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));

constexpr MonoTime At(int second) { return MonoTime(std::chrono::seconds(second)); }

}  // namespace runner::ingest
