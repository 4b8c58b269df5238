#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/clock.h"

namespace runner::sim {

// The only source of randomness of a history (splitmix64). It uses integers instead of the standard
// distributions, so that a seed gives the same history with every compiler.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Bits() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Returns a number below `n`, or 0 if `n` is 0.
  std::size_t Below(std::size_t n) { return n == 0 ? 0 : Bits() % n; }
  std::size_t Between(std::size_t low, std::size_t high) { return low + Below(high - low + 1); }
  bool Chance(std::uint32_t per_mille) { return Below(1000) < per_mille; }
  // In whole microseconds.
  Duration Between(Duration low, Duration high) {
    const auto span = static_cast<std::size_t>((high - low) / std::chrono::microseconds(1));
    return low + std::chrono::microseconds(Below(span + 1));
  }
  // Between 0 and twice `mean`.
  Duration Around(Duration mean) { return Between(Duration::zero(), mean * 2); }
  double Unit() { return static_cast<double>(Bits() >> 11) / static_cast<double>(1ull << 53); }

 private:
  std::uint64_t state_;
};

}  // namespace runner::sim
