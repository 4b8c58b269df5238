#include "tests/support/eventually.h"

#include <chrono>
#include <thread>

namespace runner::support {

bool Eventually(const std::function<bool()>& condition, Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace runner::support
