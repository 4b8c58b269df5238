#pragma once

#include <cstdint>
#include <string_view>

namespace runner {

// Choices that follow from the input alone: the corpus stays plain streams and documents, and a
// finding repeats.
class InputRandom {
 public:
  // FNV-1a of the input.
  explicit InputRandom(std::string_view input) {
    for (const char c : input) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }

  // Uniform enough in [0, bound); 0 for a bound of 0. SplitMix64.
  std::uint64_t Below(std::uint64_t bound) {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    mixed ^= mixed >> 31;
    return bound == 0 ? 0 : mixed % bound;
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325u;
};

}  // namespace runner
