#pragma once

#include <functional>

#include "common/base/clock.h"

namespace runner::support {

inline constexpr Duration kRpcTimeout = std::chrono::seconds(20);

// Polls until the condition holds; returns false if it does not within the limit.
bool Eventually(const std::function<bool()>& condition, Duration limit = kRpcTimeout);

}  // namespace runner::support
