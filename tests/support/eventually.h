#pragma once

#include <functional>

#include "common/base/clock.h"

namespace runner::support {

inline constexpr Duration kPatience = std::chrono::seconds(20);

// Asks again and again until the condition holds; false when it did not within the limit.
bool Eventually(const std::function<bool()>& condition, Duration limit = kPatience);

}  // namespace runner::support
