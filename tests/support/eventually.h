#pragma once

#include <functional>

#include "common/base/clock.h"

namespace runner::support {

inline constexpr Duration kRpcTimeout = std::chrono::seconds(20);

// Asks again and again until the condition holds; false when it did not within the limit.
bool Eventually(const std::function<bool()>& condition, Duration limit = kRpcTimeout);

}  // namespace runner::support
