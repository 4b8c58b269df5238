#pragma once

#include <string>

#include "common/base/clock.h"

namespace runner::executor {

// `2026-01-31T23:59:59.000Z`: UTC with milliseconds (RFC 3339).
std::string FormatRfc3339(WallTime time);

}  // namespace runner::executor
